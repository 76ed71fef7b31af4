import type { Generation } from "../algorithms/algorithm.ts";
import type { RunConfig } from "../config/fields.ts";
import type { Capabilities } from "../gpu/device.ts";
import type { Host } from "../host/host.ts";
import { generatorBytes } from "../rollout/memory.ts";
import { baseFormatOf, engineOptions } from "../trainer/engine_for.ts";
import { type MemoryPart, planMemory } from "../trainer/memory_plan.ts";
import { rewardModelBytes } from "../trainer/reward_model.ts";
import { enginePlan } from "./open_engine.ts";
import { prepareRun } from "./open_trainer.ts";
import { samplePrompts, sizesFor } from "./sampler.ts";

/**
 * The GPU memory that a run would take, part by part, before anything is allocated: training, the generation and the
 * scoring of answers to learn from, and the sample answers where the configuration asks for them. `auto` is planned as trl. Throws what the configuration or its files can be refused for.
 */
export async function planRun(
  host: Host,
  config: RunConfig,
  capabilities: Capabilities,
): Promise<readonly MemoryPart[]> {
  const prepared = await prepareRun(host, config, true);
  const plan = { ...enginePlan(prepared), profile: undefined, onBytes: () => {} };
  const { parts, model, profile } = await planMemory(capabilities, engineOptions(config, plan));
  const { spec, data } = prepared;
  const { weights, adapter } = model;
  const generator = (sizes: Generation) =>
    generatorBytes(capabilities, { spec, weights, adapter, profile, ...sizes });
  const further: MemoryPart[] = [];
  if (data.rewardModel) {
    const options = { ...data.rewardModel, baseFormat: baseFormatOf(config), profile };
    further.push({
      name: "Reward model",
      bytes: await rewardModelBytes(capabilities, options),
      help: "Its weights, and the scratch space of a pass.",
    });
  }
  if (data.generation) {
    further.push({
      name: "Rollout generation",
      bytes: await generator(data.generation),
      help: "Keys and values of the answers that are learned from, and scratch space.",
    });
  }
  const prompts =
    config.sample_every > 0 ? samplePrompts({ ...prepared, dataset: data.dataset }, config) : [];
  if (prompts.length > 0) {
    further.push({
      name: "Sample answers",
      bytes: await generator(sizesFor(prompts, config)),
      help: "Keys and values of the prompts that are answered meanwhile.",
    });
  }
  return [...parts, ...further];
}
