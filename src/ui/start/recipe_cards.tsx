import { navigate } from "wouter/use-hash-location";
import { formatBytes } from "../../lib/format_bytes.ts";
import type { Catalog, RecipeInfo } from "../../protocol/catalog.ts";
import { useApp } from "../../store/app.ts";
import { shown } from "../../store/failure.ts";
import { newSetup } from "../../store/setup_actions.ts";
import { ErrorCard } from "../errors/error_card.tsx";
import { methodName } from "../format.ts";
import { firstOfEach, othersOf } from "./recipes.ts";
import { useStart } from "./use_start.ts";

interface RecipeCardsProps {
  readonly disabled: boolean;
  /** The recipe that has the large button above. */
  readonly demo: string;
}

const open = (recipe: string | null): void => {
  newSetup(recipe);
  navigate("/new");
};

/** The ways to teach, each with a recipe that starts at a press or can be looked at and changed first. */
export function RecipeCards({ disabled, demo }: RecipeCardsProps) {
  const catalog = useApp((state) => shown(state.catalog));
  const { start, starting, failure, ready } = useStart();
  const others = catalog ? othersOf(catalog) : [];
  return (
    <section className="recipes" aria-labelledby="recipes-title">
      <h2 id="recipes-title">Ways to teach it</h2>
      {failure && <ErrorCard failure={failure} compact />}
      <ul className="recipe-list">
        {catalog === null
          ? [0, 1, 2, 3].map((i) => <li key={i} className="skeleton recipe-skeleton" />)
          : firstOfEach(catalog).map((recipe) => (
              <li key={recipe.id} className="card recipe">
                <h3>{recipe.title}</h3>
                <p className="muted">{recipe.summary}</p>
                <p className="muted small">{factsOf(recipe, catalog)}</p>
                <div className="row wrap recipe-actions">
                  {recipe.id !== demo && !disabled && (
                    <button
                      type="button"
                      className="button"
                      disabled={!ready}
                      onClick={() => void start(recipe.id, recipe.algorithm)}
                    >
                      {starting === recipe.id ? "Starting…" : "Train it"}
                      <span className="hidden">: {recipe.title}</span>
                    </button>
                  )}
                  <button type="button" className="button" onClick={() => open(recipe.id)}>
                    Look inside<span className="hidden">: {recipe.title}</span>
                  </button>
                </div>
              </li>
            ))}
        {catalog !== null && (
          <li className="card recipe">
            <h3>Your own data</h3>
            <p className="muted">
              A JSONL, JSON, CSV or text file with questions and answers, pairs, prompts, whole texts, or
              chats. It is read in this tab.
            </p>
            <p className="muted small">
              {disabled ? "You can prepare it now and train later." : "Nothing is uploaded."}
            </p>
            <div className="row wrap recipe-actions">
              <button type="button" className="button" onClick={() => open(null)}>
                Set up a run
              </button>
            </div>
          </li>
        )}
      </ul>
      {others.length > 0 && (
        <p className="muted small other-recipes">
          By other methods:{" "}
          {others.map(({ id, algorithm, title }) => (
            <button key={id} type="button" className="link-button" title={title} onClick={() => open(id)}>
              {methodName(algorithm)}
            </button>
          ))}
        </p>
      )}
    </section>
  );
}

function factsOf({ algorithm, settings }: RecipeInfo, { models, datasets }: Catalog): string {
  const model = models.find(({ id }) => id === settings["model_name"]);
  const data = datasets.find(({ id }) => id === settings["dataset_name"]);
  const bytes = (model?.bytes ?? 0) + (data?.bytes ?? 0);
  return [methodName(algorithm), bytes > 0 ? `${formatBytes(bytes)} from this site` : ""]
    .filter(Boolean)
    .join(" · ");
}
