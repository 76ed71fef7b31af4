import { FileUp } from "lucide-react";
import { formatBytes } from "../../lib/format_bytes.ts";
import { loadCatalog, useApp } from "../../store/app.ts";
import { shown } from "../../store/failure.ts";
import { useRuns } from "../../store/runs.ts";
import { ErrorCard } from "../errors/error_card.tsx";
import { OpenButton } from "../import/open_button.tsx";
import { ContinueCard } from "./continue_card.tsx";
import { NoWebGpu } from "./no_webgpu.tsx";
import { RecipeCards } from "./recipe_cards.tsx";
import { useStart } from "./use_start.ts";

const DEMO = "demo-sft";

/** One button. Everything else is for those who come back or know what they want. */
export function StartPage() {
  const device = useApp((state) => state.device);
  const last = useRuns((state) => state.order[0]);
  const missing = device.state === "failed" && device.error.code === "webgpu-unavailable";
  return (
    <div className="page start">
      <section className="hero">
        <h1>Fine-tune a language model in this tab.</h1>
        <p className="lead">Your GPU does the work. Your data stays here.</p>
        {last !== undefined && <ContinueCard id={last} />}
        {missing ? <NoWebGpu /> : <Demo secondary={last !== undefined} />}
      </section>
      <RecipeCards disabled={missing} demo={DEMO} />
      <HowItWorks />
    </div>
  );
}

function Demo({ secondary }: { secondary: boolean }) {
  const catalog = useApp((state) => state.catalog);
  const device = useApp((state) => state.device);
  const { start, starting, failure, ready, wait } = useStart();
  const label = starting !== null ? "Starting…" : (wait ?? "Train the demo");
  return (
    <>
      {catalog.state === "failed" && (
        <ErrorCard failure={catalog.error} title="The training worker did not answer" compact />
      )}
      {catalog.state === "failed" && (
        <button type="button" className="button" onClick={() => void loadCatalog()}>
          Try again
        </button>
      )}
      {device.state === "failed" && <ErrorCard failure={device.error} compact />}
      {failure && <ErrorCard failure={failure} compact />}
      <div className="row wrap hero-actions">
        <button
          type="button"
          className={secondary ? "button large" : "button primary large"}
          disabled={!ready}
          onClick={() => void start(DEMO, "sft")}
        >
          {label}
        </button>
        <OpenButton className="button large">
          <FileUp size={16} aria-hidden />
          Open a config or dataset…
        </OpenButton>
      </div>
      <DemoFacts />
    </>
  );
}

/** What the button will fetch and on what it will run. */
function DemoFacts() {
  const catalog = useApp((state) => shown(state.catalog));
  const device = useApp((state) => shown(state.device));
  const recipe = catalog?.recipes.find(({ id }) => id === DEMO);
  const model = catalog?.models.find(({ id }) => id === recipe?.settings["model_name"]);
  const steps = recipe?.settings["max_steps"];
  const facts = [
    ...(typeof steps === "number" ? [`${steps} steps`] : []),
    ...(model ? [`${formatBytes(model.bytes)} model from this site`] : []),
    ...(device
      ? [device.kind === "cpu" ? `${deviceName(device)}: no GPU, slow` : `on ${deviceName(device)}`]
      : []),
  ];
  return <p className="muted small facts">{facts.length > 0 ? facts.join(" · ") : "Getting ready…"}</p>;
}

const deviceName = ({
  description,
  vendor,
  architecture,
}: {
  description: string;
  vendor: string;
  architecture: string;
}): string => description || [vendor, architecture].filter(Boolean).join(" ") || "your GPU";

const STEPS = [
  ["Gather", "A model, and examples or prompts. They are read in this tab and go nowhere else."],
  [
    "Train",
    "A small adapter learns from examples, preferences or rewards on your GPU. You watch the answers change.",
  ],
  [
    "Keep",
    "Compare the answers with the base model's, then download the adapter. It opens in Python's PEFT.",
  ],
] as const;

function HowItWorks() {
  return (
    <section className="how" aria-labelledby="how-title">
      <h2 id="how-title">How it works</h2>
      <ol className="how-steps">
        {STEPS.map(([title, text], i) => (
          <li key={title}>
            <span className="how-number" aria-hidden="true">
              {i + 1}
            </span>
            <div>
              <h3>{title}</h3>
              <p className="muted">{text}</p>
            </div>
          </li>
        ))}
      </ol>
    </section>
  );
}
