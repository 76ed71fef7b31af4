import { describe, expect, it } from "vitest";
import { openGpu } from "../../src/gpu/device.ts";
import { arenaBytes } from "../../src/gpu/program.ts";
import type { BaseFormat } from "../../src/model/weights.ts";
import { Engine, prepareEngine } from "../../src/trainer/engine.ts";
import { planMemory } from "../../src/trainer/memory_plan.ts";
import { testDevice } from "../gpu.ts";
import { lora, tinyModel, tinyOptions, tinyRows } from "../tiny_model.ts";
import { tinyRun } from "./tiny_run.ts";

const gpu = await testDevice();
const tiny = await tinyModel("qwen3");
const large = await tinyModel("qwen3", {
  config: { vocab_size: 611, hidden_size: 64, intermediate_size: 160 },
});

describe("a step", () => {
  it.each([
    ["an adapter", { lora_dropout: 0.1, neftune_noise_alpha: 5 }],
    ["every weight", { peft_enabled: false, optim: "adamw_8bit" }],
    ["the memory path", { backend: "unsloth" }],
  ])("creates no buffer, bind group or pipeline: %s", async (_, settings) => {
    const rows = tinyRows(tiny.spec, [9, 3, 12, 2, 7, 6]);
    const { run } = await tinyRun(gpu, {
      ...{ tiny, rows, validation: rows.slice(2) },
      settings: {
        ...settings,
        ...{ max_steps: 9, batch_size: 2, gradient_accumulation_steps: 2, eval_strategy: "steps" },
        eval_steps: 2,
      },
    });
    const counts = () => {
      const { buffers, bytes, bindGroups } = gpu.counts;
      return { buffers, bytes, bindGroups, pipelines: gpu.pipelines.created };
    };
    const planned = counts();
    const { dispatches } = gpu.counts;
    // The end saves a checkpoint, whose reading takes staging buffers: the eight steps before it take nothing.
    let seen = planned;
    await run.train({
      get request() {
        if (run.step < 9) seen = counts();
        return "go" as const;
      },
    });
    expect(seen).toEqual(planned);
    expect(gpu.counts.dispatches).toBeGreaterThan(dispatches + 8 * 50);
    expect(run.step).toBe(9);
  });

  it("of an adapter has at most 30 dispatches a layer, forward and backward", async () => {
    const dispatchesOf = async (layers: number) => {
      const own = await tinyModel("qwen3", { config: { num_hidden_layers: layers } });
      const trainable = lora(own.spec, { dropout: 0.1 });
      return (await Engine.create(gpu, tinyOptions(own, { trainable }))).program("train").dispatchCount;
    };
    expect((await dispatchesOf(3)) - (await dispatchesOf(2))).toBeLessThanOrEqual(30);
  });
});

describe("the memory plan", () => {
  it.each([
    ["an adapter", "stored", {}],
    ["an adapter on four bits, rematerialised", "nf4", { rematerialize: true }],
    ["every weight, 8-bit AdamW", "stored", { trainable: { kind: "full" }, kind: "adamw_8bit" }],
  ] as const)(
    "is what the device allocates, part by part: %s",
    async (_, baseFormat: BaseFormat, changes) => {
      const plain = tinyOptions(large, { baseFormat, capacity: { N: 128, M: 100, R: 4 } });
      const optimizer = { ...plain.optimizer, ...("kind" in changes && { kind: changes.kind }) };
      const options = { ...plain, ...changes, optimizer };
      const own = await openGpu();
      await Engine.create(own, options);
      const { parts } = await planMemory(own.capabilities, options);
      const planned = (name: string) => parts.find((part) => part.name === name)?.bytes ?? Number.NaN;
      const total = parts.reduce((sum, part) => sum + part.bytes, 0);
      // In four bits a few parameters of kernels are numbers of the weights, which a plan does not read.
      expect(Math.abs(total / own.counts.bytes - 1)).toBeLessThanOrEqual(baseFormat === "nf4" ? 0.05 : 0);

      const second = await openGpu();
      const made = await prepareEngine(second, options);
      expect(planned("Model") + planned("Trained numbers")).toBe(made.bytes.model);
      expect(planned("Trained numbers")).toBe(
        made.model.pool.shards.reduce((sum, { params, grads }) => sum + params.bytes + grads.bytes, 0),
      );
      expect(planned("Optimizer")).toBe(made.bytes.optimizer);
      const arena = arenaBytes(second, made.recorders).reduce((a, b) => a + b, 0);
      expect(planned("Activations")).toBe(arena);
      expect(planned("Tables")).toBeGreaterThan(made.bytes.tables);
      expect(planned("Tables")).toBeLessThan(made.bytes.tables + 0.02 * total);
      own.close();
      second.close();
    },
  );

  it("sees what rematerialisation and four bits save", async () => {
    const of = async (changes: Parameters<typeof tinyOptions>[1]) => {
      const capacity = { N: 512, M: 64, R: 4 };
      const { parts } = await planMemory(gpu.capabilities, tinyOptions(large, { capacity, ...changes }));
      return new Map(parts.map((part) => [part.name, part.bytes]));
    };
    const [plain, remade, packed] = [
      await of({}),
      await of({ rematerialize: true }),
      await of({ baseFormat: "nf4" }),
    ];
    expect(remade.get("Activations")).toBeLessThan(0.9 * (plain.get("Activations") ?? 0));
    expect(packed.get("Model")).toBeLessThan(0.8 * (plain.get("Model") ?? 0));
  });
});
