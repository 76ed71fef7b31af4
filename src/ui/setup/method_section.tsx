import type { AlgorithmInfo } from "../../protocol/catalog.ts";
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
        <Group
          key={title}
          title={title}
          methods={(catalog?.algorithms ?? []).filter(belongs)}
          chosen={chosen}
        />
      ))}
    </section>
  );
}

interface GroupProps {
  readonly title: string;
  readonly methods: readonly AlgorithmInfo[];
  readonly chosen: string | undefined;
}

/** What all methods of a group need is said once. */
function Group({ title, methods, chosen }: GroupProps) {
  const same = new Set(methods.map(({ needs }) => needs)).size === 1;
  return (
    <fieldset className="method-group">
      <legend>
        {title}
        {same && <span className="method-needs"> Needs: {methods[0]?.needs}</span>}
      </legend>
      <div className="choice-list">
        {methods.map(({ id, label, summary, needs }) => (
          <label key={id} className={id === chosen ? "choice on" : "choice"}>
            <input type="radio" name="method" checked={id === chosen} onChange={() => pickMethod(id)} />
            <span className="choice-text">
              <strong>{label}</strong>
              <span>{summary}</span>
              {!same && <span className="muted small">Needs: {needs}</span>}
            </span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
