import type { RunConfig } from "../config/fields.ts";
import type { Capabilities } from "../gpu/device.ts";
import type { Host } from "../host/host.ts";
import { generatorBytes } from "../rollout/memory.ts";
import { engineOptions } from "../trainer/engine_for.ts";
import { type MemoryPart, planMemory } from "../trainer/memory_plan.ts";
import { enginePlan } from "./open_engine.ts";
import { prepareRun } from "./open_trainer.ts";
import { samplePrompts, sizesFor } from "./sampler.ts";

/**
 * The GPU memory that a run would take, part by part, before anything is allocated: training, and the sample answers where
 * the configuration asks for them. Throws what the configuration or its files can be refused for.
 */
export async function planRun(
  host: Host,
  config: RunConfig,
  capabilities: Capabilities,
): Promise<readonly MemoryPart[]> {
  const prepared = await prepareRun(host, config, true);
  const plan = { ...enginePlan(prepared), profile: undefined, onBytes: () => {} };
  const { parts, model, profile } = await planMemory(capabilities, engineOptions(config, plan));
  const { tools, data } = prepared;
  const prompts = config.sample_every > 0 ? samplePrompts({ tools, dataset: data.dataset }, config) : [];
  if (prompts.length === 0) return parts;
  const { weights, adapter } = model;
  const options = { spec: prepared.spec, weights, adapter, profile, ...sizesFor(prompts, config) };
  const bytes = await generatorBytes(capabilities, options);
  return [
    ...parts,
    { name: "Sample answers", bytes, help: "Keys and values of the prompts that are answered meanwhile." },
  ];
}
