import type { RunConfig } from "../config/fields.ts";
import { REWARD_MODEL } from "../config/rewards.ts";
import { openModelFolder } from "../formats/model_folder.ts";
import { openGpu } from "../gpu/device.ts";
import type { Host } from "../host/host.ts";
import { profileFor } from "../kernels/profile.ts";
import { AppError } from "../lib/errors.ts";
import { loadFrozen } from "../model/loaded_model.ts";
import { readModelSpec } from "../model/registry.ts";
import type { ScoreSample } from "../protocol/setup.ts";
import { createScorer } from "../rewards/scorer.ts";
import { Generator } from "../rollout/generator.ts";
import { baseFormatOf } from "../trainer/engine_for.ts";
import { loadDataset } from "../trainer/load_dataset.ts";
import { loadTextTools, promptData } from "../trainer/prepare_data.ts";

/** Rows that are answered: enough to see whether scores differ, few enough to wait for. */
const ROWS = 20;

type RewardConfig = Extract<RunConfig, { readonly rewards: unknown }>;
type Rows = ReturnType<typeof promptData>["train"];
type TextTools = Awaited<ReturnType<typeof loadTextTools>>;
type Model = Awaited<ReturnType<typeof openModelFolder>>;

/**
 * One answer of the base model to each of some rows from all over the data, drawn as the run would draw them, and what the
 * rewards make of them. A reward model is left out: it is loaded for a run only. Throws what a run would be refused for.
 */
export async function sampleScores(host: Host, config: RunConfig): Promise<ScoreSample> {
  if (!("rewards" in config)) throw new AppError("config-invalid", "This method has no rewards to try.");
  const rewards = config.rewards.filter(({ type }) => type !== REWARD_MODEL);
  if (rewards.length === 0) {
    const why = "The only reward is the reward model, which is loaded for a run only.";
    throw new AppError("config-invalid", why);
  }
  const model = await openModelFolder(await host.openModel(config.model_name, config.model_revision));
  const tools = await loadTextTools(model.folder, config);
  const dataset = await loadDataset(host, config, tools.template !== undefined, true);
  const rows = spread(promptData(dataset, tools, config).train);
  const { max_completion_length: maxCompletionLength } = config;
  // Code that cannot be loaded is told before the model is.
  const scorer = await createScorer(rewards, {
    ...{ userCode: host.userCode, readFile: host.readText, now: () => host.now(), maxCompletionLength },
  });
  try {
    const completions = await answer(model, tools, rows, config);
    const { total, rewards: scores } = await scorer.score(
      rows.map(({ prompt, reference, row }, i) => {
        const { ids = [], stopped } = completions[i] ?? {};
        const completion = tools.tokenizer.decode(ids, { skipSpecialTokens: true });
        const truncated = stopped === "length";
        return { prompt, completion, completionIds: [...ids], reference, row, truncated };
      }),
    );
    const failures = scores.reduce((sum, reward) => sum + reward.failures, 0);
    return { totals: total, failures, withoutModel: rewards.length < config.rewards.length };
  } finally {
    scorer.close();
  }
}

/** Rows from all over a list. */
function spread(rows: Rows): Rows {
  const count = Math.min(ROWS, rows.length);
  return rows.filter(
    (_, i) => Math.floor(((i + 1) * count) / rows.length) > Math.floor((i * count) / rows.length),
  );
}

/** On a device of its own, which is closed again. */
async function answer(model: Model, tools: TextTools, rows: Rows, config: RewardConfig) {
  const spec = readModelSpec(model.config);
  const { temperature, top_p, top_k, min_p, repetition_penalty, seed, max_completion_length } = config;
  const backend = config.backend === "auto" ? "trl" : config.backend;
  const baseFormat = baseFormatOf({ ...config, backend });
  const gpu = await openGpu();
  try {
    const { weights } = await loadFrozen(gpu, { model, spec, baseFormat, adapter: undefined });
    const generator = await Generator.create(gpu, {
      ...{ spec, weights, adapter: undefined, profile: profileFor(gpu.capabilities) },
      maxSequences: rows.length,
      maxPromptTokens: rows.reduce((sum, { ids }) => sum + ids.length, 0),
      maxLength: Math.max(...rows.map(({ ids }) => ids.length)) + max_completion_length,
    });
    return await generator.generate({
      prompts: rows.map(({ ids }) => ids),
      maxNewTokens: max_completion_length,
      sampling: { temperature, top_p, top_k, min_p, repetition_penalty, seed },
      stopIds: tools.tokenizer.stopIds,
    });
  } finally {
    gpu.close();
  }
}
