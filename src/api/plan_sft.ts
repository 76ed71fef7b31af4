import type { SftConfig } from "../config/fields.ts";
import type { Capabilities } from "../gpu/device.ts";
import type { Host } from "../host/host.ts";
import { generatorBytes } from "../rollout/memory.ts";
import { engineOptions } from "../trainer/engine_for.ts";
import { type MemoryPart, planMemory } from "../trainer/memory_plan.ts";
import { samplePrompts, sizesFor } from "./sampler.ts";
import { prepareSft } from "./sft_trainer.ts";

/**
 * The GPU memory that a run would take, part by part, before anything is allocated: training, and the sample answers where
 * the configuration asks for them. Throws what the configuration or its files can be refused for.
 */
export async function planSft(
  host: Host,
  config: SftConfig,
  capabilities: Capabilities,
): Promise<readonly MemoryPart[]> {
  const prepared = await prepareSft(host, config, true);
  const plan = { ...prepared, trainable: prepared.start.trainable, profile: undefined, onBytes: () => {} };
  const { parts, model, profile } = await planMemory(capabilities, engineOptions(config, plan));
  const prompts = config.sample_every > 0 ? samplePrompts(prepared, config) : [];
  if (prompts.length === 0) return parts;
  const { weights, adapter } = model;
  const options = { spec: prepared.spec, weights, adapter, profile, ...sizesFor(prompts, config) };
  const bytes = await generatorBytes(capabilities, options);
  return [
    ...parts,
    { name: "Sample answers", bytes, help: "Keys and values of the prompts that are answered meanwhile." },
  ];
}
