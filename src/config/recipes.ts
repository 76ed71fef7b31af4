import { AppError } from "../lib/errors.ts";
import type { Algorithm } from "./algorithm.ts";
import demoSft from "./recipes/demo-sft.yaml?raw";
import type { Layer } from "./resolve.ts";
import { nearest } from "./suggest.ts";

/** A named configuration that comes with the application. */
export interface Recipe {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly algorithm: Algorithm;
  /** The text, as it is shown and copied. */
  readonly yaml: string;
}

export const RECIPES: readonly Recipe[] = [
  {
    name: "demo-sft",
    title: "Teach the small model a manner",
    description:
      "SFT on the embedded model and data: in 64 steps it learns to answer as a sailor would, and keeps its facts. Works offline.",
    algorithm: "sft",
    yaml: demoSft,
  },
];

/** The recipe of a name. Throws `config-invalid` with the nearest name when there is none. */
export function findRecipe(name: string): Recipe {
  const names = RECIPES.map((recipe) => recipe.name);
  const found = RECIPES.find((recipe) => recipe.name === name);
  if (found) return found;
  const guess = nearest(name, names);
  const message = `There is no recipe "${name}". ${guess ? `Did you mean ${guess}?` : `There are: ${names.join(", ")}.`}`;
  throw new AppError("config-invalid", message, { details: { issues: [{ path: "recipe", message }] } });
}

/** What a recipe sets, ready for `resolve`. The YAML reader is loaded for it, not with the page. */
export async function recipeLayer(recipe: Recipe): Promise<Layer> {
  const { parseConfig } = await import("./parse_config.ts");
  const { values, at } = parseConfig(recipe.yaml);
  return { values, at };
}
