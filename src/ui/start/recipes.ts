import type { Catalog, DataKind, RecipeInfo } from "../../protocol/catalog.ts";

/** Which recipes have a card of their own. */

const kindOf = ({ algorithms }: Catalog, { algorithm }: RecipeInfo): DataKind | undefined =>
  algorithms.find(({ id }) => id === algorithm)?.data;

/** One recipe for each way to teach: from examples, from pairs, from rewards. */
export const firstOfEach = (catalog: Catalog): readonly RecipeInfo[] =>
  catalog.recipes.filter((recipe, i) => {
    const kind = kindOf(catalog, recipe);
    return catalog.recipes.findIndex((other) => kindOf(catalog, other) === kind) === i;
  });

/** The rest: the same by another method. */
export function othersOf(catalog: Catalog): readonly RecipeInfo[] {
  const first = new Set(firstOfEach(catalog).map(({ id }) => id));
  return catalog.recipes.filter(({ id }) => !first.has(id));
}
