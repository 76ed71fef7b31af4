import { findRecipe, RECIPES } from "../../config/recipes.ts";
import type { Output } from "../output.ts";

/** `aligntune recipes [NAME]`: the list, or the configuration of one. Throws `config-invalid` for a name that is not there. */
export function recipes(name: string | undefined, output: Output): number {
  if (name !== undefined) {
    const { yaml, title } = findRecipe(name);
    output.emit({ name, title, yaml }, yaml.trimEnd());
    return 0;
  }
  for (const recipe of RECIPES) {
    const { title, description } = recipe;
    output.emit({ name: recipe.name, title, description }, `${recipe.name}: ${title}. ${description}`);
  }
  return 0;
}
