import { describe, expect, it } from "vitest";
import { readSettings } from "../../src/config/read_settings.ts";
import { findRecipe, recipeLayer } from "../../src/config/recipes.ts";
import { resolve } from "../../src/config/resolve.ts";
import type { DatasetInfo } from "../../src/protocol/catalog.ts";
import type { ResolvedSettings } from "../../src/protocol/setup.ts";
import type { GivenSettings, PickedFiles } from "../../src/protocol/values.ts";
import { switchMethod } from "../../src/store/switch_method.ts";
import { methodInfo } from "../ui/methods.ts";

const sample = (id: string, data: DatasetInfo["data"]): DatasetInfo => ({
  ...{ id, data, label: id, summary: "", rows: 1, bytes: 1 },
});
const SAMPLES = [sample("ahoy", "examples"), sample("style-pairs", "pairs"), sample("arithmetic", "prompts")];

async function settingsOf(given: GivenSettings, recipe?: string): Promise<ResolvedSettings> {
  const layer = recipe === undefined ? undefined : await recipeLayer(findRecipe(recipe));
  const { algorithm, origins, issues, notes } = resolve({ override: readSettings(given), recipe: layer });
  return { algorithm, values: origins, issues, notes };
}

const move = (
  from: Parameters<typeof methodInfo>[0],
  to: Parameters<typeof methodInfo>[0],
  settings: ResolvedSettings,
  files: PickedFiles = {},
) => switchMethod({ files }, settings, [methodInfo(from), methodInfo(to)], SAMPLES);

describe("another method", () => {
  it("keeps what means the same there, and takes its own learning rate", async () => {
    const settings = await settingsOf({
      algorithm: "grpo",
      model_name: "tiny",
      dataset_name: "arithmetic",
      learning_rate: 0.01,
      batch_size: 16,
      temperature: 0.7,
      epsilon: 0.1,
      beta: 0.5,
    });
    expect(move("grpo", "gspo", settings)).toEqual({
      recipe: null,
      given: {
        algorithm: "gspo",
        model_name: "tiny",
        dataset_name: "arithmetic",
        batch_size: 16,
        temperature: 0.7,
      },
    });
  });

  it("leaves out what it does not know", async () => {
    const settings = await settingsOf({ algorithm: "grpo", model_name: "tiny", num_generations: 4, seed: 7 });
    expect(move("grpo", "sft", settings).given).toEqual({ algorithm: "sft", model_name: "tiny", seed: 7 });
  });

  it("takes only the model out of a recipe, which is made for one method", async () => {
    const { given, recipe } = move("sft", "dpo", await settingsOf({}, "demo-sft"));
    expect(recipe).toBeNull();
    expect(given).toEqual({ algorithm: "dpo", backend: "trl", model_name: "aligntune-tiny" });
  });

  it("keeps a file with its columns, whose rows may fit", async () => {
    const settings = await settingsOf({
      algorithm: "sft",
      dataset_name: "mine.jsonl",
      column_mapping: { q: "prompt" },
    });
    const files = { dataset: new File(["{}"], "mine.jsonl") };
    expect(move("sft", "dpo", settings, files).given).toMatchObject({
      dataset_name: "mine.jsonl",
      column_mapping: { q: "prompt" },
    });
  });

  it("can be checked at once: nothing that is kept is wrong there", async () => {
    const settings = await settingsOf({
      algorithm: "sft",
      model_name: "tiny",
      packing: true,
      loss_type: "dft",
    });
    for (const to of ["dpo", "ppo", "grpo", "gspo", "dapo", "dr_grpo"] as const) {
      const { given } = move("sft", to, settings);
      const { issues } = resolve({ override: readSettings({ ...given, dataset_name: "x" }) });
      expect(issues, to).toEqual([]);
    }
  });
});
