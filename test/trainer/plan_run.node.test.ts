import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { createSftTrainer } from "../../src/api/create_trainer.ts";
import { adviseMemory } from "../../src/api/memory_advice.ts";
import { openTrainer } from "../../src/api/open_trainer.ts";
import { planRun } from "../../src/api/plan_run.ts";
import type { Settings } from "../../src/config/fields.ts";
import { readSettings } from "../../src/config/read_settings.ts";
import { resolveOrThrow } from "../../src/config/resolve.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import type { Host } from "../../src/host/host.ts";
import { memoryFolder } from "../../src/host/memory.ts";
import { createNodeHost } from "../../src/host/node.ts";
import { AppError } from "../../src/lib/errors.ts";
import { memoryCheckpoints } from "../../src/storage/memory_checkpoints.ts";
import { sum } from "../../src/trainer/memory_plan.ts";
import type { RunEvents } from "../../src/trainer/training_run.ts";
import { testDevice } from "../gpu.ts";
import { rewardFolder } from "./reward_files.ts";

const publicDir = join(import.meta.dirname, "../../public");
const runs = mkdtempSync(join(tmpdir(), "plan-"));
afterAll(() => rmSync(runs, { recursive: true }));
const node = createNodeHost({ publicDir, runDir: () => runs });
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
    checkpoints: memoryCheckpoints(),
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

const open = (settings: Settings, on: Gpu, resumeStep?: number) =>
  openTrainer({
    resumeStep,
    ...{ host, config: configOf(settings), configText: "", run: "plan", gpu: on, events: EVENTS },
    ...{ place: "Node", samples: true },
  });

const planOf = (settings: Settings) => planRun(host, configOf(settings), gpu.capabilities);
const bytesOf = ({ parts }: Awaited<ReturnType<typeof planOf>>, name: string) =>
  parts.find((part) => part.name === name)?.bytes ?? 0;

// With recomputation the output head may fit into what the layers need, and is then no part.
const HEAD = "Output head";
const BASE = ["Model", "Adapter", "Gradients", "Optimizer", "Activations", "Tables"];
const FULL = ["Trained weights", ...BASE.slice(2)];
const ROLLOUTS = "Answers to learn from";
const ONE_STEP: Settings = { max_steps: 1, save_strategy: "no" };
const ppo: Settings = { algorithm: "ppo", max_completion_length: 16 };
const full: Settings = { peft_enabled: false };
const adapter: Settings = { adapter_name_or_path: "first" };
const judge: Settings = { reward_model_name: "judge" };

describe("the plan of a run is what opening it takes", () => {
  it.each<[string, Settings, string[]]>([
    ["sft", { algorithm: "sft", sample_every: 5, eval_steps: 1, ...ONE_STEP }, ["Sample answers"]],
    ["dpo with a fresh adapter", { algorithm: "dpo" }, []],
    ["dpo from an adapter", { algorithm: "dpo", ...adapter }, ["Reference"]],
    ["dpo of all weights", { algorithm: "dpo", ...full }, ["Reference"]],
    ["dpo with a moving reference", { algorithm: "dpo", sync_ref_model: true }, ["Reference"]],
    ["dpo in four bits", { algorithm: "dpo", backend: "unsloth" }, []],
    ["dpo with moments in 8 bits", { algorithm: "dpo", optim: "adamw_8bit" }, []],
    ["grpo", { algorithm: "grpo", max_completion_length: 16 }, [ROLLOUTS]],
    [
      "grpo of all weights with a moving reference",
      { algorithm: "grpo", max_completion_length: 16, ...full, sync_ref_model: true, ...ONE_STEP },
      ["Reference", ROLLOUTS],
    ],
    ["ppo", ppo, ["Value model", ROLLOUTS]],
    ["ppo with a reward model", { ...ppo, ...judge, ...ONE_STEP }, ["Value model", "Reward model", ROLLOUTS]],
    [
      "ppo with a reward model in four bits",
      { ...ppo, ...judge, backend: "unsloth" },
      ["Value model", "Reward model", ROLLOUTS],
    ],
    ["ppo from an adapter", { ...ppo, ...adapter }, ["Reference", "Value model", ROLLOUTS]],
    ["ppo of all weights", { ...ppo, ...full }, ["Reference", "Value model", ROLLOUTS]],
  ])("%s", async (_, settings, further) => {
    const plan = await planOf(settings);
    expect(sum(plan.buffers)).toBe(plan.total);
    const before = gpu.counts.bytes;
    gpu.counts.peakBytes = before;
    const trainer = await open(settings, gpu);
    expect(trainer.memory.total).toBe(plan.total);
    const taken = gpu.counts.bytes - before;
    // To the byte; in four bits a few parameters of kernels are numbers of the weights, which a plan does not read.
    const tolerance = settings.backend === "unsloth" ? 0.01 : 0;
    expect(Math.abs((plan.total - plan.staging) / taken - 1)).toBeLessThanOrEqual(tolerance);
    expect(gpu.counts.peakBytes - before, "trying the room is not counted").toBe(taken);
    const names = [...(settings.peft_enabled === false ? FULL : BASE), ...further];
    const found = plan.parts.map(({ name }) => name).filter((name) => name !== HEAD);
    expect(found.sort()).toEqual(names.sort());
    if (settings.max_steps) await trainer.train({ request: "go" });
    await trainer.sampler?.sample();
    await trainer.exportAssets();
    expect(Math.abs((gpu.counts.peakBytes - before) / plan.total - 1)).toBeLessThanOrEqual(0.05);
  });
});

/** Runs something on a device that has no more than `bytes` left. `from` is what is made before it is short. */
async function withRoom<T>(bytes: number, run: () => Promise<T>, from: RegExp = /./): Promise<T> {
  const create = gpu.createBuffer.bind(gpu);
  const most = gpu.counts.bytes + bytes;
  let isShort = false;
  gpu.createBuffer = (label, size, usage) => {
    isShort ||= from.test(label);
    if (!isShort || gpu.counts.bytes + size <= most) return create(label, size, usage);
    throw new AppError("gpu-out-of-memory", `${label} does not fit`);
  };
  try {
    return await run();
  } finally {
    gpu.createBuffer = create;
  }
}

describe("what memory decides", () => {
  const long: Settings = { ...ppo, gradient_accumulation_steps: 8 };
  const remade: Settings = { gradient_checkpointing: true };

  /** Plans of the three ways, each smaller than the one before. */
  async function threeWays(settings: Settings) {
    const plain = await planOf({ ...settings, gradient_checkpointing: false });
    const recomputed = await planOf({ ...settings, ...remade });
    const unsloth = await planOf({ ...settings, backend: "unsloth" });
    expect(recomputed.total).toBeLessThan(0.98 * plain.total);
    expect(unsloth.total).toBeLessThan(0.98 * recomputed.total);
    return { plain, recomputed, unsloth };
  }

  it("is the fastest way within gpu_memory_gb, told with its reason and kept by checkpoints", async () => {
    const settings: Settings = { algorithm: "sft", max_steps: 2, save_steps: 1 };
    const { plain, recomputed, unsloth } = await threeWays(settings);
    const chosen = async (bytes: number, backend: Settings["backend"]) =>
      (await planOf({ ...settings, backend, gpu_memory_gb: bytes / 1e9 })).choice;
    expect(await chosen(plain.total, "auto")).toEqual({ backend: "trl", rematerialize: false });
    expect(await chosen(recomputed.total, "auto")).toEqual({ backend: "trl", rematerialize: true });
    expect(await chosen(recomputed.total, "trl")).toEqual({ backend: "trl", rematerialize: true });
    expect(await chosen(unsloth.total, "auto")).toEqual({ backend: "unsloth", rematerialize: true });
    const tight: Settings = { ...settings, backend: "auto", gpu_memory_gb: recomputed.total / 1e9 };
    const trainer = await open(tight, gpu);
    expect(trainer.engine.rematerialize).toBe(true);
    expect(trainer.notes).toContainEqual(
      expect.stringMatching(/^Recomputes activations .* would take .* and gpu_memory_gb allows/),
    );
    await trainer.train({ request: "go" }, 1);
    const roomy: Settings = { ...settings, backend: "auto" };
    expect((await open(roomy, gpu)).engine.rematerialize).toBe(false);
    const resumed = await open(roomy, gpu, 1);
    expect(resumed.engine.rematerialize).toBe(true);
    expect(resumed.memory.total).toBe(recomputed.total);
    const over: Settings = { ...settings, backend: "auto", gpu_memory_gb: (0.9 * unsloth.total) / 1e9 };
    expect((await planOf(over)).tooLarge).toBe(true);
    await expect(open(over, gpu)).rejects.toMatchObject({
      code: "gpu-out-of-memory",
      details: { key: "gpu_memory_gb" },
    });
  });

  it.each<[string, Settings, string]>([
    ["generation", long, ROLLOUTS],
    ["the reward model", { ...ppo, ...judge, batch_size: 1 }, "Reward model"],
    ["sample answers", { algorithm: "sft", sample_every: 5, sample_max_new_tokens: 200 }, "Sample answers"],
  ])("is tried before weights are read, with room for %s", async (_, settings, part) => {
    const { recomputed, unsloth } = await threeWays(settings);
    const room = recomputed.total - Math.min(bytesOf(recomputed, part) / 2, 4096);
    expect(1.01 * unsloth.total).toBeLessThan(room);
    await withRoom(room, async () => {
      const before = gpu.counts.bytes;
      const trainer = await open({ ...settings, backend: "auto" }, gpu);
      expect(trainer.notes).toContainEqual(expect.stringContaining("Uses the unsloth backend"));
      expect(gpu.counts.bytes - before, "what was tried was freed").toBeLessThanOrEqual(1.01 * unsloth.total);
    });
    await withRoom(room, () =>
      expect(open({ ...settings, backend: "trl", ...remade }, gpu)).rejects.toMatchObject({
        code: "gpu-out-of-memory",
        details: { bytes: recomputed.total },
      }),
    );
  });

  it("is decided again when the device had room only for the try", async () => {
    const settings: Settings = { ...ppo, backend: "auto" };
    const { recomputed } = await threeWays(settings);
    await withRoom(
      recomputed.total - 4096,
      async () => {
        const trainer = await open(settings, gpu);
        expect(trainer.notes).toContainEqual(expect.stringContaining("Uses the unsloth backend"));
      },
      /^arena/,
    );
  });
});

describe("advice", () => {
  const advise = (settings: Settings, capabilities = gpu.capabilities) =>
    adviseMemory({ host, capabilities, configWith: async (change) => configOf({ ...settings, ...change }) });

  it("says what each change would take by the plan itself, and goes on until it fits", async () => {
    const settings: Settings = { algorithm: "sft", gradient_checkpointing: true };
    const { total } = await planOf(settings);
    const alone = await planOf({ ...settings, forward_batch_size: 2, eval_batch_size: 2 });
    const bound = { ...settings, gpu_memory_gb: alone.total / 1e9 };
    const [rows, fourBits] = await advise(bound);
    expect(rows).toMatchObject({
      change: { forward_batch_size: 2 },
      bytes: alone.total,
      fits: true,
      label: "Rows on the GPU at once: 4 → 2",
    });
    const unsloth = await planOf({ ...settings, backend: "unsloth" });
    expect(fourBits).toMatchObject({ change: { backend: "unsloth" }, bytes: unsloth.total });
    // Without a bound nothing is known to fit, and one step of each is said.
    const open = await advise(settings);
    expect(open[0]).toEqual({ ...rows, fits: null });
    for (const { bytes } of open) expect(bytes ?? 0).toBeLessThan(total);
    expect(open.at(-1)).toMatchObject({ change: {}, bytes: null });
  });

  it("puts changes together where none is enough alone, and counts the rows that a shorter length cuts", async () => {
    const settings: Settings = { algorithm: "sft", max_seq_length: 64, lora_rank: 4 };
    const all = await planOf({
      ...{ ...settings, forward_batch_size: 1, eval_batch_size: 1, backend: "unsloth" },
    });
    const advice = await advise({ ...settings, gpu_memory_gb: all.total / 1e9 });
    const last = advice.at(-2);
    expect(last).toMatchObject({ label: "The first 2 of these together", fits: true, bytes: all.total });
    const cut = advice.find(({ change }) => "max_seq_length" in change);
    expect(cut?.harm).toMatch(/^[1-9]\d* of 14 rows (is|are) cut\.$/);
  });

  it("is given where one piece is larger than the device allows, which the plan says", async () => {
    const { limits } = gpu.capabilities;
    const small = { ...gpu.capabilities, limits: { ...limits, maxStorageBufferBindingSize: 250_000 } };
    const settings: Settings = { algorithm: "sft" };
    await expect(planRun(host, configOf(settings), small)).rejects.toMatchObject({
      code: "gpu-out-of-memory",
      message: expect.stringMatching(/needs \d+ bytes in one piece; this GPU allows 250000/),
    });
    const [rows] = await advise(settings, small);
    expect(rows).toMatchObject({ change: { forward_batch_size: expect.any(Number) } });
  });
});

it("reads no more of the weights than their header", async () => {
  let read = 0;
  const folder = await host.openModel("aligntune-tiny");
  const counting = async (file: string) => {
    const asset = await folder.open(file);
    if (!asset || !file.endsWith(".safetensors")) return asset;
    const readCounted = (start: number, end: number) => {
      read += end - start;
      return asset.read(start, end);
    };
    return { ...asset, size: asset.size, read: readCounted };
  };
  const openModel = async () => ({ ...folder, open: counting });
  const config = configOf({ algorithm: "sft", backend: "auto", gpu_memory_gb: 0.001 });
  expect((await planRun({ ...host, openModel }, config, gpu.capabilities)).tooLarge).toBe(true);
  expect(read).toBeGreaterThan(0);
  expect(read).toBeLessThan(20_000);
});
