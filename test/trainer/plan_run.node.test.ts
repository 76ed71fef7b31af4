import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createSftTrainer } from "../../src/api/create_trainer.ts";
import { openTrainer } from "../../src/api/open_trainer.ts";
import { planRun } from "../../src/api/plan_run.ts";
import { Sampler } from "../../src/api/sampler.ts";
import type { Settings } from "../../src/config/fields.ts";
import { readSettings } from "../../src/config/read_settings.ts";
import { resolveOrThrow } from "../../src/config/resolve.ts";
import { type Gpu, openGpu } from "../../src/gpu/device.ts";
import type { Host } from "../../src/host/host.ts";
import { memoryFolder } from "../../src/host/memory.ts";
import { createNodeHost } from "../../src/host/node.ts";
import { AppError } from "../../src/lib/errors.ts";
import type { RunEvents } from "../../src/trainer/training_run.ts";
import { testDevice } from "../gpu.ts";
import { rewardFolder } from "./reward_files.ts";

const publicDir = join(import.meta.dirname, "../../public");
const node = createNodeHost({ publicDir, runDir: () => publicDir });
const gpu = await testDevice();
const EVENTS: RunEvents = {
  metrics: () => {},
  step: () => {},
  checkpoint: () => {},
  note: () => {},
  sample: async () => {},
};

/** An adapter of two steps, and a reward model. */
async function makeHost(): Promise<Host> {
  const settings = { model_name: "aligntune-tiny", dataset_name: "ahoy", max_steps: 2, save_strategy: "no" };
  const trainer = await createSftTrainer({ host: node, ...settings, save_strategy: "no", lora_rank: 4 });
  await trainer.train();
  const assets = await trainer.saveModel();
  const files = await Promise.all(
    assets.map(async (asset) => [asset.name, await asset.read(0, asset.size)] as const),
  );
  trainer.close();
  const adapter = memoryFolder("first", new Map(files));
  const judge = await rewardFolder("qwen3");
  return {
    ...node,
    openAdapter: async () => adapter,
    openModel: async (name) => (name === "judge" ? judge : node.openModel(name)),
  };
}

const host = await makeHost();

function configOf(settings: Settings) {
  const { algorithm } = settings;
  const rows = algorithm === "dpo" ? "style-pairs" : algorithm === "sft" ? "ahoy" : "arithmetic";
  const shared = { model_name: "aligntune-tiny", dataset_name: rows, max_samples: 16, lora_rank: 4 };
  const sizes = { batch_size: 4, max_seq_length: 64, eval_batch_size: 4 };
  return resolveOrThrow({ override: readSettings({ ...shared, ...sizes, ...settings }) }).config;
}

const open = (settings: Settings, on: Gpu) =>
  openTrainer({
    ...{ host, config: configOf(settings), configText: "", run: "plan", gpu: on, events: EVENTS },
    place: "Node",
  });

type Parts = Readonly<Record<string, number>>;

async function planOf(settings: Settings): Promise<Parts> {
  const parts = await planRun(host, configOf(settings), gpu.capabilities);
  return Object.fromEntries(parts.map(({ name, bytes }) => [name, bytes]));
}

const total = (parts: Parts) => Object.values(parts).reduce((a, b) => a + b, 0);

const BASE = ["Model", "Trained numbers", "Optimizer", "Activations", "Tables"];
const ppo: Settings = { algorithm: "ppo", max_completion_length: 16 };
const full: Settings = { peft_enabled: false };
const adapter: Settings = { adapter_name_or_path: "first" };
const judge: Settings = { reward_model_name: "judge" };

describe("the plan of a run is what opening it takes", () => {
  it.each<[string, Settings, string[]]>([
    ["sft", { algorithm: "sft", sample_every: 5 }, ["Sample answers"]],
    ["dpo with a fresh adapter", { algorithm: "dpo" }, []],
    ["dpo from an adapter", { algorithm: "dpo", ...adapter }, ["Reference"]],
    ["dpo of all weights", { algorithm: "dpo", ...full }, ["Reference"]],
    ["dpo with a moving reference", { algorithm: "dpo", sync_ref_model: true }, ["Reference"]],
    ["dpo in four bits", { algorithm: "dpo", backend: "unsloth" }, []],
    ["dpo with moments in 8 bits", { algorithm: "dpo", optim: "adamw_8bit" }, []],
    ["grpo", { algorithm: "grpo", max_completion_length: 16 }, ["Rollout generation"]],
    [
      "grpo of all weights with a moving reference",
      { algorithm: "grpo", max_completion_length: 16, ...full, sync_ref_model: true },
      ["Reference", "Rollout generation"],
    ],
    ["ppo", ppo, ["Value model", "Rollout generation"]],
    ["ppo with a reward model", { ...ppo, ...judge }, ["Value model", "Reward model", "Rollout generation"]],
    [
      "ppo with a reward model in four bits",
      { ...ppo, ...judge, backend: "unsloth" },
      ["Value model", "Reward model", "Rollout generation"],
    ],
    ["ppo from an adapter", { ...ppo, ...adapter }, ["Reference", "Value model", "Rollout generation"]],
    ["ppo of all weights", { ...ppo, ...full }, ["Reference", "Value model", "Rollout generation"]],
  ])("%s", async (_, settings, further) => {
    const plan = await planOf(settings);
    const before = gpu.counts.bytes;
    gpu.counts.peakBytes = before;
    const trainer = await open(settings, gpu);
    if (settings.sample_every) await Sampler.create(trainer, configOf(settings));
    const taken = gpu.counts.bytes - before;
    // To the byte; in four bits a few parameters of kernels are numbers of the weights, which a plan does not read.
    const tolerance = settings.backend === "unsloth" ? 0.01 : 0;
    expect(Math.abs(total(plan) / taken - 1)).toBeLessThanOrEqual(tolerance);
    // Nor is it ever more on the way there, when weights pass through scratch space.
    expect((gpu.counts.peakBytes - before) / total(plan) - 1).toBeLessThanOrEqual(tolerance);
    expect(Object.keys(plan).sort()).toEqual([...BASE, ...further].sort());
  });
});

/** A device of its own that has no more than `bytes`. */
async function smallGpu(bytes: number): Promise<Gpu> {
  const small = await openGpu();
  const create = small.createBuffer.bind(small);
  small.createBuffer = (label, size, usage) => {
    if (small.counts.bytes + size <= bytes) return create(label, size, usage);
    throw new AppError("gpu-out-of-memory", `${label} does not fit`);
  };
  return small;
}

describe("backend auto", () => {
  it.each<[string, Settings, string]>([
    ["generation", { ...ppo, gradient_accumulation_steps: 8 }, "Rollout generation"],
    // Made last: everything else fits.
    ["the reward model", { ...ppo, ...judge, batch_size: 1 }, "Reward model"],
  ])("takes unsloth where %s does not fit beside the engine", async (_, settings, part) => {
    const trl = await planOf({ ...settings, backend: "trl" });
    const unsloth = total(await planOf({ ...settings, backend: "unsloth" }));
    const room = total(trl) - (trl[part] ?? 0) / 2;
    expect(1.01 * unsloth).toBeLessThan(room);
    const small = await smallGpu(room);
    const trainer = await open({ ...settings, backend: "auto" }, small);
    expect(trainer.notes).toContainEqual(expect.stringContaining("uses the unsloth backend"));
    expect(small.counts.bytes, "what was tried first was freed").toBeLessThanOrEqual(1.01 * unsloth);
    await expect(open({ ...settings, backend: "trl" }, await smallGpu(room))).rejects.toMatchObject({
      code: "gpu-out-of-memory",
    });
    small.close();
  });
});
