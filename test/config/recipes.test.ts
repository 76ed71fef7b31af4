import { describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config/parse_config.ts";
import { findRecipe, RECIPES, recipeLayer } from "../../src/config/recipes.ts";
import { resolve } from "../../src/config/resolve.ts";

const files = import.meta.glob("../../src/config/recipes/*.yaml", { query: "?raw" });

it("every file is listed", () => {
  const names = Object.keys(files).map((file) => file.replace(/^.*\/|\.yaml$/g, ""));
  expect(RECIPES.map(({ name }) => name).sort()).toEqual(names.sort());
});

describe.each(RECIPES)("$name", (recipe) => {
  it("says nothing that is changed or not used", () => {
    expect(parseConfig(recipe.yaml)).toMatchObject({
      problems: [],
      changed: [],
      notUsed: [],
      algorithm: recipe.algorithm,
    });
  });
  it("is a complete run without a note", async () => {
    const { issues, notes, origins } = resolve({ recipe: await recipeLayer(recipe) });
    expect([...issues, ...notes]).toEqual([]);
    expect(origins["learning_rate"]?.source).toBe("recipe");
  });
});

it("the demo is the measured recipe of the embedded model", () => {
  expect(parseConfig(findRecipe("demo-sft").yaml).values).toMatchObject({
    algorithm: "sft",
    model_name: "aligntune-tiny",
    dataset_name: "ahoy",
    learning_rate: 3e-3,
    batch_size: 16,
    max_steps: 64,
  });
});

it("an unknown name is refused with the nearest", () => {
  expect(() => findRecipe("demo_sft")).toThrow("Did you mean demo-sft?");
});
