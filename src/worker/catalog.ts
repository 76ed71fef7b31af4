import { ALGORITHM_TITLES } from "../config/algorithm.ts";
import { fieldData } from "../config/fields.ts";
import { RECIPES, recipeLayer } from "../config/recipes.ts";
import { openModelFolder } from "../formats/model_folder.ts";
import type { BrowserHost } from "../host/browser.ts";
import type { Catalog, DatasetInfo, ModelInfo } from "../protocol/messages.ts";

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
    rows: 1080,
  },
] as const;

/** What can be trained, and on what, as data for the page's menus and forms. Only what works is offered. */
export async function buildCatalog(host: BrowserHost): Promise<Catalog> {
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
    RECIPES.filter(({ algorithm }) => algorithm === "sft").map(async (recipe) => ({
      id: recipe.name,
      title: recipe.title,
      summary: recipe.description,
      algorithm: recipe.algorithm,
      settings: (await recipeLayer(recipe)).values,
    })),
  );
  return {
    algorithms: [
      {
        id: "sft",
        label: ALGORITHM_TITLES.sft,
        summary: "Learn from examples: the model imitates the answers in your data.",
        paper: "https://arxiv.org/abs/2203.02155",
        needs: "Rows with a prompt and an answer, conversations, or plain text.",
        hero: [
          { metric: "loss", title: "Loss", better: "lower" },
          { metric: "eval_loss", title: "Held-out loss", better: "lower" },
        ],
        coach: "Loss should go down. It measures how surprised the model is by the examples.",
        fields: fieldData("sft"),
      },
    ],
    models,
    datasets,
    recipes,
  };
}
