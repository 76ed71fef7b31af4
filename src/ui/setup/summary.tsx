import { useRef, useState } from "react";
import { navigate } from "wouter/use-hash-location";
import type { DownloadPlan, MemoryPlan } from "../../protocol/setup.ts";
import type { GivenSettings } from "../../protocol/values.ts";
import { useApp } from "../../store/app.ts";
import { shown } from "../../store/failure.ts";
import { hubHost, useHub } from "../../store/hub.ts";
import { currentRun, nameOf, useRuns } from "../../store/runs.ts";
import {
  algorithmOf,
  type NextStep,
  nextStep,
  plainValues,
  type SetupState,
  useSetup,
} from "../../store/setup.ts";
import { agreeToDownload, startSetup } from "../../store/setup_actions.ts";
import { runOfName } from "../../store/start_from.ts";
import { stepCount } from "../../store/step_count.ts";
import { ErrorCard } from "../errors/error_card.tsx";
import { formatBytes, formatCount, formatPercent, NONE, plural, shorten } from "../format.ts";
import { useChord } from "./chord.ts";
import { fieldId } from "./field.tsx";

/** Errors of the plan that stand beside the data and the settings already. */
const SHOWN_ELSEWHERE = new Set(["config-invalid", "dataset-invalid", "file-missing", "file-invalid"]);

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
export function Summary() {
  const setup = useSetup();
  const device = useApp((state) => state.device);
  const catalog = useApp((state) => shown(state.catalog));
  const running = useRuns((state) => currentRun(state)?.id);
  const step = nextStep(setup, device.state === "ready");
  const plan = shown(setup.plan);
  const download = shown(setup.download);
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
        {setup.download.state === "failed" && <ErrorCard failure={setup.download.error} compact here />}
        {plan && <Memory plan={plan} />}
        {setup.plan.state === "failed" && !SHOWN_ELSEWHERE.has(setup.plan.error.code) && (
          <p className="small muted">The memory could not be worked out: {setup.plan.error.message}</p>
        )}
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
  return (
    <div className="stack tight">
      <div className="row between">
        <span className="muted">Download</span>
        <strong>{formatBytes(plan.total)}</strong>
      </div>
      <ul className="memory-parts small" aria-label={`From ${host}`}>
        {plan.parts.map(({ what, name, bytes }) => (
          <li key={`${what} ${name}`}>
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

const PART_COLOURS = 8;

/** The memory that the run would take, part by part. */
function Memory({ plan }: { plan: MemoryPlan }) {
  const [open, setOpen] = useState(false);
  return (
    <div className="stack tight">
      <div className="row between">
        <span className="muted">GPU memory</span>
        <strong>{formatBytes(plan.total)}</strong>
      </div>
      <div className="meter" aria-hidden="true">
        {plan.parts.map(({ name, bytes }, i) => (
          <span
            key={name}
            className="meter-part"
            style={{
              width: `${(100 * bytes) / Math.max(1, plan.total)}%`,
              background: `var(--series-${(i % PART_COLOURS) + 1})`,
            }}
          />
        ))}
      </div>
      <details open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary className="small">What it is made of</summary>
        <ul className="memory-parts small">
          {plan.parts.map(({ name, bytes, help }, i) => (
            <li key={name} title={help}>
              <span
                className="memory-swatch"
                style={{ background: `var(--series-${(i % PART_COLOURS) + 1})` }}
                aria-hidden="true"
              />
              <span className="grow">{name}</span>
              <span>{formatBytes(bytes)}</span>
              <span className="muted memory-share">{formatPercent(bytes / Math.max(1, plan.total))}</span>
            </li>
          ))}
        </ul>
      </details>
    </div>
  );
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
