import { formatBytes } from "../../lib/format_bytes.ts";
import type { MemoryPlan } from "../../protocol/setup.ts";
import { useApp } from "../../store/app.ts";
import { type Failure, shown } from "../../store/failure.ts";
import { algorithmOf, settingOf, useSetup } from "../../store/setup.ts";
import { setSetting } from "../../store/setup_actions.ts";
import { MemoryAdviceList } from "../errors/memory_advice.tsx";
import { MemoryBar } from "../parts/memory_bar.tsx";
import { FieldControl } from "./field_control.tsx";

/** Errors of the plan that stand beside the data and the settings already. */
const SHOWN_ELSEWHERE = new Set(["config-invalid", "dataset-invalid", "file-missing", "file-invalid"]);

/** The memory that the run would take against what it may take, and what to do where that is too little. */
export function Memory() {
  const loadable = useSetup((state) => state.plan);
  const plan = shown(loadable);
  const failure = loadable.state === "failed" ? loadable.error : null;
  if (!plan && !failure) return null;
  // The button at the end leads here.
  return (
    <section className="stack tight" id="section-memory" tabIndex={-1} aria-label="GPU memory">
      {plan && <Planned plan={plan} />}
      {failure && <Unplanned failure={failure} />}
    </section>
  );
}

function Planned({ plan }: { plan: MemoryPlan }) {
  const { total, budget, tooLarge, notes } = plan;
  return (
    <>
      <div className="row between">
        <span className="muted">GPU memory</span>
        <strong className={tooLarge ? "bad-text" : ""}>
          {budget === null ? formatBytes(total) : `${formatBytes(total)} of ${formatBytes(budget)}`}
        </strong>
      </div>
      <MemoryBar plan={plan} bound={budget} summary="What it is made of" />
      <Bound />
      {tooLarge && budget !== null && (
        <p className="small bad-text">
          {formatBytes(total - budget)} too much. The run does not start like this.
        </p>
      )}
      {notes.map((note) => (
        <p key={note} className="small muted">
          {note}
        </p>
      ))}
      {tooLarge && <MemoryAdviceList about={plan} />}
    </>
  );
}

function Unplanned({ failure }: { failure: Failure }) {
  if (failure.code === "gpu-out-of-memory")
    return (
      <>
        <p className="small bad-text">Too large for this GPU. {failure.message}</p>
        <MemoryAdviceList about={failure} />
      </>
    );
  if (SHOWN_ELSEWHERE.has(failure.code)) return null;
  return <p className="small muted">The memory could not be worked out: {failure.message}</p>;
}

const KEY = "gpu_memory_gb";

/** No program can ask a GPU how much memory it has, but a person may know. */
function Bound() {
  const { given, resolved } = useSetup();
  const values = shown(resolved);
  const field = useApp((state) => algorithmOf(shown(state.catalog), values))?.fields.find(
    ({ key }) => key === KEY,
  );
  if (!field) return null;
  const value = settingOf(values, given, KEY);
  const issue = values?.issues.find(({ path }) => path === KEY);
  return (
    <div className="memory-limit">
      <label className="small" htmlFor="summary-gpu-memory" title={field.help}>
        GPU memory to use (GB)
      </label>
      <FieldControl
        id="summary-gpu-memory"
        field={field}
        value={value}
        invalid={issue !== undefined}
        onChange={(next) => setSetting(KEY, next)}
      />
    </div>
  );
}
