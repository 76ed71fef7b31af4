import { ALGORITHM_TITLES, ALGORITHMS } from "../config/algorithm.ts";
import { fieldData } from "../config/fields.ts";
import { RECIPES, recipeLayer } from "../config/recipes.ts";
import { rewardData, rewardSettingsData } from "../config/reward_data.ts";
import { openModelFolder } from "../formats/model_folder.ts";
import type { Host } from "../host/host.ts";
import type { Catalog, DatasetInfo, ModelInfo } from "../protocol/catalog.ts";
import { METHODS } from "./methods.ts";

const MODELS = [
  {
    id: "aligntune-tiny",
    label: "Aligntune tiny",
    summary:
      "A chat model of a small world: arithmetic, facts about forty people, rewriting. Part of this app.",
    licence: "Apache-2.0",
  },
] as const;

const DATASETS = [
  {
    id: "ahoy",
    label: "Ahoy",
    summary: "Questions about thirty people, answered as a sailor would. For supervised fine-tuning.",
    data: "examples",
    rows: 1080,
  },
  {
    id: "style-pairs",
    label: "Style pairs",
    summary: "The same questions with two answers each: a friendly one that is preferred, and a curt one.",
    data: "pairs",
    rows: 1080,
  },
  {
    id: "arithmetic",
    label: "Arithmetic",
    summary: "Sums and differences of two-digit numbers, each with its right result.",
    data: "prompts",
    rows: 1024,
  },
] as const;

/** What can be trained, and on what, as data for the page's menus and forms. */
export async function buildCatalog(host: Pick<Host, "openModel" | "openDataset">): Promise<Catalog> {
  const models: ModelInfo[] = [];
  for (const model of MODELS) {
    const { tensors } = await openModelFolder(await host.openModel(model.id));
    const sizes = [...tensors.values()];
    models.push({
      ...model,
      bytes: sizes.reduce((sum, tensor) => sum + tensor.byteLength, 0),
      parameters: sizes.reduce((sum, tensor) => sum + tensor.shape.reduce((a, b) => a * b, 1), 0),
    });
  }
  const datasets: DatasetInfo[] = [];
  for (const dataset of DATASETS) {
    datasets.push({ ...dataset, bytes: (await host.openDataset(dataset.id)).size });
  }
  const recipes = await Promise.all(
    RECIPES.map(async (recipe) => ({
      id: recipe.name,
      title: recipe.title,
      summary: recipe.description,
      algorithm: recipe.algorithm,
      settings: (await recipeLayer(recipe)).values,
    })),
  );
  return {
    algorithms: ALGORITHMS.map((id) => ({
      ...{ id, label: ALGORITHM_TITLES[id], fields: fieldData(id) },
      ...METHODS[id],
    })),
    models,
    datasets,
    recipes,
    rewards: rewardData(),
    rewardSettings: rewardSettingsData(),
  };
}
