import type { AlgorithmInfo } from "../../protocol/messages.ts";
import { useApp } from "../../store/app.ts";
import { shown } from "../../store/failure.ts";
import { pickMethod } from "../../store/setup_actions.ts";
import { useMethod } from "./use_method.ts";

const GROUPS = [
  ["Learn from examples", ({ data }: AlgorithmInfo) => data !== "prompts"],
  ["Learn from rewards", ({ data }: AlgorithmInfo) => data === "prompts"],
] as const;

/** How the model learns. */
export function MethodSection() {
  const catalog = useApp((state) => shown(state.catalog));
  const chosen = useMethod()?.id;
  return (
    <section className="card setup-section" aria-labelledby="method-title">
      <h2 id="method-title">Method</h2>
      {GROUPS.map(([title, belongs]) => (
        <fieldset key={title} className="method-group">
          <legend>{title}</legend>
          <div className="choice-list">
            {(catalog?.algorithms ?? []).filter(belongs).map((method) => (
              <Method key={method.id} method={method} on={method.id === chosen} />
            ))}
          </div>
        </fieldset>
      ))}
    </section>
  );
}

function Method({ method: { id, label, summary, needs }, on }: { method: AlgorithmInfo; on: boolean }) {
  return (
    <label className={on ? "choice on" : "choice"}>
      <input type="radio" name="method" checked={on} onChange={() => pickMethod(id)} />
      <span className="choice-text">
        <strong>{label}</strong>
        <span>{summary}</span>
        <span className="muted small">Needs: {needs}</span>
      </span>
    </label>
  );
}
