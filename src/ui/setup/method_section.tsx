import { useApp } from "../../store/app.ts";
import { shown } from "../../store/failure.ts";
import { algorithmOf, useSetup } from "../../store/setup.ts";
import { setSetting } from "../../store/setup_actions.ts";

/** How the model learns. */
export function MethodSection() {
  const catalog = useApp((state) => shown(state.catalog));
  const resolved = useSetup((state) => shown(state.resolved));
  const chosen = algorithmOf(catalog, resolved)?.id;
  return (
    <section className="card setup-section" aria-labelledby="method-title">
      <h2 id="method-title">Method</h2>
      <div className="choice-list" role="radiogroup" aria-labelledby="method-title">
        {(catalog?.algorithms ?? []).map(({ id, label, summary, needs }) => (
          <label key={id} className={id === chosen ? "choice on" : "choice"}>
            <input
              type="radio"
              name="method"
              checked={id === chosen}
              onChange={() => setSetting("algorithm", id)}
            />
            <span className="choice-text">
              <strong>{label}</strong>
              <span>{summary}</span>
              <span className="muted small">Needs: {needs}</span>
            </span>
          </label>
        ))}
      </div>
    </section>
  );
}
