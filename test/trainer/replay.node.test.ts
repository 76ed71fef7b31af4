import { describe, expect, it } from "vitest";
import { openGpu } from "../../src/gpu/device.ts";
import { arenaBytes } from "../../src/gpu/program.ts";
import type { BaseFormat } from "../../src/model/weights.ts";
import { Engine } from "../../src/trainer/engine.ts";
import { prepareEngine } from "../../src/trainer/engine_parts.ts";
import { planEngine, sum } from "../../src/trainer/memory_plan.ts";
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
      const planned = await planEngine(own.capabilities, options);
      const part = (name: string) => planned.parts.find((one) => one.name === name)?.bytes ?? 0;
      const total = sum([...planned.buffers, ...planned.arena]);
      // In four bits a few parameters of kernels are numbers of the weights, which a plan does not read.
      expect(Math.abs(total / own.counts.bytes - 1)).toBeLessThanOrEqual(baseFormat === "nf4" ? 0.05 : 0);
      expect(sum(planned.parts.map(({ bytes }) => bytes)) + planned.tables + sum(planned.arena)).toBe(total);

      const second = await openGpu();
      const made = await prepareEngine(second, options);
      const trained = part(options.trainable.kind === "full" ? "Trained weights" : "Adapter");
      expect(part("Model") + trained + part("Gradients")).toBe(made.bytes.model);
      expect(part("Gradients")).toBe(sum(made.model.pool.shards.map(({ grads }) => grads.bytes)));
      expect(part("Optimizer")).toBe(made.bytes.optimizer);
      expect(planned.arena).toEqual(arenaBytes(second, made.recorders));
      if (!options.rematerialize) expect(planned.headScratch).toBeGreaterThan(0);
      expect(planned.headScratch).toBeLessThan(sum(planned.arena));
      expect(planned.tables).toBeGreaterThan(made.bytes.tables);
      expect(planned.tables).toBeLessThan(made.bytes.tables + 0.02 * total);
      own.close();
      second.close();
    },
  );

  it("sees what rematerialisation and four bits save", async () => {
    const of = async (changes: Parameters<typeof tinyOptions>[1]) => {
      const capacity = { N: 512, M: 64, R: 4 };
      const { parts, arena } = await planEngine(
        gpu.capabilities,
        tinyOptions(large, { capacity, ...changes }),
      );
      return { arena: sum(arena), model: parts.find(({ name }) => name === "Model")?.bytes };
    };
    const [plain, remade, packed] = [
      await of({}),
      await of({ rematerialize: true }),
      await of({ baseFormat: "nf4" }),
    ];
    expect(remade.arena).toBeLessThan(0.9 * plain.arena);
    expect(packed.model).toBeLessThan(0.8 * (plain.model ?? 0));
  });
});
