import { navigate } from "wouter/use-hash-location";
import type { Catalog, RecipeInfo } from "../../protocol/messages.ts";
import { useApp } from "../../store/app.ts";
import { shown } from "../../store/failure.ts";
import { newSetup } from "../../store/setup_actions.ts";
import { formatBytes } from "../format.ts";

/** Ready configurations, to look at and change before they run. */
export function RecipeCards({ disabled }: { disabled: boolean }) {
  const catalog = useApp((state) => shown(state.catalog));
  const open = (recipe: RecipeInfo | null) => {
    newSetup(recipe?.id ?? null);
    navigate("/new");
  };
  return (
    <section className="recipes" aria-labelledby="recipes-title">
      <h2 id="recipes-title">Or set it up yourself</h2>
      <ul className="recipe-list">
        {catalog === null
          ? [0, 1].map((i) => <li key={i} className="skeleton recipe-skeleton" />)
          : catalog.recipes.map((recipe) => (
              <li key={recipe.id} className="card recipe">
                <h3>{recipe.title}</h3>
                <p className="muted">{recipe.summary}</p>
                <p className="muted small">{factsOf(recipe, catalog)}</p>
                <button type="button" className="button" onClick={() => open(recipe)}>
                  Look inside
                </button>
              </li>
            ))}
        {catalog !== null && (
          <li className="card recipe">
            <h3>Your own data</h3>
            <p className="muted">
              A JSONL, JSON, CSV or text file with questions and answers, whole texts, or chats. It is read in
              this tab.
            </p>
            <p className="muted small">
              {disabled ? "You can prepare it now and train later." : "Nothing is uploaded."}
            </p>
            <button type="button" className="button" onClick={() => open(null)}>
              Set up a run
            </button>
          </li>
        )}
      </ul>
    </section>
  );
}

function factsOf({ algorithm, settings }: RecipeInfo, { algorithms, models, datasets }: Catalog): string {
  const method = algorithms.find(({ id }) => id === algorithm);
  const model = models.find(({ id }) => id === settings["model_name"]);
  const data = datasets.find(({ id }) => id === settings["dataset_name"]);
  const bytes = (model?.bytes ?? 0) + (data?.bytes ?? 0);
  return [method?.label ?? algorithm.toUpperCase(), bytes > 0 ? `${formatBytes(bytes)} from this site` : ""]
    .filter(Boolean)
    .join(" · ");
}
