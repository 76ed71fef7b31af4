import { describe, expect, it } from "vitest";
import type { Catalog, RecipeInfo } from "../../src/protocol/catalog.ts";
import { firstOfEach, othersOf } from "../../src/ui/start/recipes.ts";
import { methodInfo } from "./methods.ts";

const recipe = (id: string, algorithm: string): RecipeInfo => ({
  ...{ id, algorithm, title: id, summary: "", settings: {} },
});
const catalog: Catalog = {
  algorithms: [methodInfo("sft"), methodInfo("dpo"), methodInfo("grpo"), methodInfo("ppo")],
  recipes: [
    recipe("a", "sft"),
    recipe("b", "grpo"),
    recipe("c", "ppo"),
    recipe("d", "dpo"),
    recipe("e", "sft"),
  ],
  ...{ models: [], datasets: [], rewards: [], rewardSettings: [] },
};

describe("recipes on the start page", () => {
  it("are one for each way to teach, the first of its kind", () => {
    expect(firstOfEach(catalog).map(({ id }) => id)).toEqual(["a", "b", "d"]);
  });

  it("leave out none", () => {
    expect(othersOf(catalog).map(({ id }) => id)).toEqual(["c", "e"]);
  });
});
