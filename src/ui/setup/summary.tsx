import { useRef } from "react";
import { navigate } from "wouter/use-hash-location";
import { formatBytes } from "../../lib/format_bytes.ts";
import type { DownloadPlan } from "../../protocol/setup.ts";
import type { GivenSettings } from "../../protocol/values.ts";
import { useApp } from "../../store/app.ts";
import { shown } from "../../store/failure.ts";
import { hubHost, toFetch, useHub } from "../../store/hub.ts";
import { type HubFacts, useHubFacts } from "../../store/hub_facts.ts";
import { currentRun, nameOf, useRuns } from "../../store/runs.ts";
import {
  algorithmOf,
  type NextStep,
  nextStep,
  plainValues,
  type SetupState,
  useSetup,
} from "../../store/setup.ts";
import { startSetup } from "../../store/setup_actions.ts";
import { agreeToDownload } from "../../store/setup_refresh.ts";
import { runOfName } from "../../store/start_from.ts";
import { stepCount } from "../../store/step_count.ts";
import { ErrorCard } from "../errors/error_card.tsx";
import { formatCount, NONE, plural, shorten } from "../format.ts";
import { useChord } from "./chord.ts";
import { fieldId } from "./field.tsx";
import { Memory } from "./memory.tsx";

const isRefused = (facts: HubFacts["model"] | HubFacts["dataset"]): boolean =>
  facts.state === "failed" ||
  (facts.state === "ready" && "supported" in facts.value && facts.value.supported !== null);

/** Goes to what is missing, with the focus. */
function goTo(step: NextStep): void {
  // As YAML there are no sections: what is missing is written there.
  const element =
    document.getElementById(`section-${step.section}`) ??
    document.querySelector<HTMLElement>(".setup-main textarea");
  element?.scrollIntoView({ block: "start" });
  element?.focus({ preventScroll: true });
}

/** The run as it stands, and the one button. */
export function Summary({ isForm }: { readonly isForm: boolean }) {
  const setup = useSetup();
  const device = useApp((state) => state.device);
  const catalog = useApp((state) => shown(state.catalog));
  const running = useRuns((state) => currentRun(state)?.id);
  const step = nextStep(setup, device.state === "ready");
  const download = shown(setup.download);
  // What the hub refused stands with the model or the data that it is about.
  const saidAbove = useHubFacts(({ model, dataset }) => isForm && [model, dataset].some(isRefused));
  const pressing = useRef(false);
  const start = async () => {
    if (pressing.current) return;
    if (running !== undefined) return navigate(`/run/${running}`);
    if (!step.ready && step.fetches !== undefined) return agreeToDownload();
    if (!step.ready) return goTo(step);
    pressing.current = true;
    const id = await startSetup();
    pressing.current = false;
    if (id !== undefined) navigate(`/run/${id}`);
  };
  useChord("enter", () => void start());
  const label = running === undefined ? labelOf(step) : "Go to the run that is training";
  const dead = running === undefined && !step.ready && step.section === null;
  return (
    <aside className="summary" aria-labelledby="summary-title">
      <div className="card summary-card">
        <h2 id="summary-title">Run summary</h2>
        <dl className="summary-list">
          {factsOf(setup, algorithmOf(catalog, shown(setup.resolved))?.label ?? NONE).map(([name, value]) => (
            <div key={name}>
              <dt className="muted">{name}</dt>
              <dd title={value}>{shorten(value, 28)}</dd>
            </div>
          ))}
        </dl>
        {download && download.total > 0 && <Downloads plan={download} />}
        {setup.download.state === "failed" && !saidAbove && (
          <ErrorCard failure={setup.download.error} compact here />
        )}
        <Memory />
        <Issues />
        {setup.refused && <ErrorCard failure={setup.refused} compact />}
      </div>
      <div className="summary-action">
        <button
          type="button"
          className="button primary large block"
          disabled={dead}
          onClick={() => void start()}
        >
          {label}
        </button>
      </div>
    </aside>
  );
}

/** A step that fetches says how much. */
function labelOf({ label, ready, fetches }: NextStep): string {
  if (fetches === undefined) return label;
  return ready
    ? `Download ${formatBytes(fetches)} and start training`
    : `Download ${formatBytes(fetches)} of data`;
}

/** What comes from the hub, by its own list of files. */
function Downloads({ plan }: { plan: DownloadPlan }) {
  const host = useHub(({ address }) => hubHost(address));
  const left = plan.parts.reduce((sum, part) => sum + toFetch(part), 0);
  return (
    <div className="stack tight">
      <div className="row between">
        <span className="muted">Download</span>
        <strong>{left > 0 ? formatBytes(left) : "None, all is here"}</strong>
      </div>
      <ul className="memory-parts small" aria-label={`From ${host}`}>
        {plan.parts.map(({ what, name, bytes, stored = 0 }) => (
          <li key={`${what} ${name}`} title={`${formatBytes(stored)} of it are on this device`}>
            <span className="grow" title={name}>
              {what[0]?.toUpperCase() + what.slice(1)}: {shorten(name, 28)}
            </span>
            <span>{formatBytes(bytes)}</span>
          </li>
        ))}
      </ul>
      <p className="muted small">From {host}. The requests carry no data of yours.</p>
    </div>
  );
}

function factsOf(setup: SetupState, method: string): readonly (readonly [string, string])[] {
  const resolved = shown(setup.resolved);
  const values = resolved ? plainValues(resolved) : {};
  const text = (key: string): string =>
    typeof values[key] === "string" && values[key] !== "" ? values[key] : NONE;
  const number = (key: string, otherwise: number): number =>
    typeof values[key] === "number" ? values[key] : otherwise;
  const more = values["more_datasets"];
  const further = Array.isArray(more) && more.length > 0 ? ` and ${more.length} more` : "";
  const batch = number("batch_size", 1);
  const accumulation = number("gradient_accumulation_steps", 1);
  return [
    ["Method", method],
    ["Model", text("model_name")],
    ["Data", values["dataset_name"] ? `${text("dataset_name")} · ${text("split")}${further}` : NONE],
    ...startOf(values["adapter_name_or_path"]),
    [
      "num_generations" in values || "kl_coef" in values ? "Answers per step" : "Examples per step",
      accumulation > 1
        ? `${batch} × ${accumulation} = ${formatCount(batch * accumulation)}`
        : formatCount(batch),
    ],
    ["Steps", stepsOf(setup, values)],
  ];
}

/** What the run goes on from, when that is not the model alone. */
function startOf(adapter: unknown): readonly (readonly [string, string])[] {
  if (typeof adapter !== "string" || adapter === "") return [];
  const run = useRuns.getState().runs[runOfName(adapter) ?? ""];
  return [["Starts from", run ? nameOf(run) : adapter]];
}

function stepsOf(setup: SetupState, values: GivenSettings): string {
  const count = stepCount(values, shown(setup.preview)?.splits.train);
  if (!count) return NONE;
  return count.exact ? formatCount(count.steps) : `about ${formatCount(count.steps)}`;
}

const REWARD_PATH = /^rewards\.(\d+)(?:\.params)?(?:\.(\w+))?/;

/** `rewards.0.params.pattern` is a field of the first reward. */
function rewardPlace(path: string): HTMLElement | null {
  const [, index, key] = REWARD_PATH.exec(path) ?? [];
  if (index === undefined) return null;
  return (
    document.getElementById(`reward-${index}-${key ?? "weight"}`) ??
    document.getElementById(`reward-${index}-weight`)
  );
}

function placeName(path: string): string {
  const index = REWARD_PATH.exec(path)?.[1];
  return index === undefined ? path || "The text" : `Reward ${Number(index) + 1}`;
}

/** Everything that is wrong with the settings, with a way to each. */
function Issues() {
  const resolved = useSetup((state) => shown(state.resolved));
  const issues =
    resolved?.issues.filter(({ path }) => path !== "model_name" && path !== "dataset_name") ?? [];
  const catalog = useApp((state) => shown(state.catalog));
  const labels = new Map(algorithmOf(catalog, resolved)?.fields.map(({ key, label }) => [key, label]));
  const notes = resolved?.notes ?? [];
  if (issues.length === 0 && notes.length === 0) return null;
  const show = (path: string) => {
    const field =
      rewardPlace(path) ??
      document.getElementById(fieldId(path.split(".")[0] ?? "")) ??
      document.getElementById(`section-${path.split(".")[0]}`);
    field?.scrollIntoView({ block: "center" });
    field?.focus({ preventScroll: true });
  };
  return (
    <div className="stack tight">
      {issues.length > 0 && <h3 className="bad-text">{plural(issues.length, "setting")} to correct</h3>}
      <ul className="issue-list small">
        {issues.map(({ path, message }) => (
          <li key={`${path} ${message}`}>
            <button type="button" className="link-button" onClick={() => show(path)}>
              {labels.get(path) ?? placeName(path)}
            </button>
            {message.startsWith(path) ? message.slice(path.length) : `: ${message}`}
          </li>
        ))}
        {notes.map(({ path, message }) => (
          <li key={`${path} ${message}`} className="muted">
            Note: {message}
          </li>
        ))}
      </ul>
    </div>
  );
}
