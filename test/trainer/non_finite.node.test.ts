import { describe, expect, it } from "vitest";
import { Engine } from "../../src/trainer/engine.ts";
import { evaluateRows } from "../../src/trainer/evaluation.ts";
import type { StepReport } from "../../src/trainer/report.ts";
import { testDevice } from "../gpu.ts";
import {
  lora,
  TINY_NAMES,
  type Tiny,
  tinyAdapter,
  tinyModel,
  tinyOptions,
  tinyRows,
  weighted,
} from "../tiny_model.ts";
import { bits, GO, stateOf, tinyRun, trained } from "./tiny_run.ts";

const gpu = await testDevice();
const tiny = await tinyModel("qwen3");
const rows = tinyRows(tiny.spec, [9, 3, 12, 2, 7, 6]);
const NAN = new Float32Array(Uint32Array.of(0x7fc00000).buffer);

/** A number of the pool, by its name in the file, for poisoning and healing. */
function write(engine: Engine, name: string, values: Float32Array): void {
  for (const shard of engine.pool.shards) {
    for (const entry of shard.entries) {
      const found = entry.names.find((other) => other.name === name);
      if (!found) continue;
      gpu.upload(shard.params, values, 4 * (entry.offset + found.first));
      return;
    }
  }
  throw new Error(`no ${name}`);
}

describe("a step that is not finite", () => {
  it.each(["adamw", "adamw_8bit"] as const)("changes no bit of parameters and moments: %s", async (kind) => {
    const options = tinyOptions(tiny);
    const engine = await Engine.create(gpu, { ...options, optimizer: { ...options.optimizer, kind } });
    const step = async (index: number): Promise<StepReport> => {
      engine.accumulate(weighted(rows), { micro: 0, step: index, seed: 0, noise: 0 });
      return engine.update({ lr: 0.01, step: index, micros: 1 }).read();
    };
    expect(await step(0)).toMatchObject({ finite: true, applied: 1, skipped: 0 });
    const name =
      [...(await engine.pool.read(gpu, "params")).keys()].find((key) => /down_proj.*B/.test(key)) ?? "";
    const healthy = (await engine.pool.read(gpu, "params")).get(name)?.data ?? new Float32Array();
    write(engine, name, NAN);
    const before = await stateOf(engine);
    const report = await step(1);
    expect(report).toMatchObject({ finite: false, applied: 1, skipped: 1 });
    expect(report.micros[0]?.loss).toBeNaN();
    const after = await stateOf(engine);
    // The counters of the state alone may move.
    expect(new Map([...after].filter(([key]) => key !== "optimizerState"))).toEqual(
      new Map([...before].filter(([key]) => key !== "optimizerState")),
    );
    write(engine, name, healthy);
    expect(await step(2)).toMatchObject({ finite: true, applied: 2, skipped: 1 });
    expect((await trained(engine)).every(Number.isFinite)).toBe(true);
  });

  it("one bad micro-batch of several skips the whole step and spoils none after it", async () => {
    const run = async (poisoned: boolean) => {
      const engine = await Engine.create(gpu, tinyOptions(tiny));
      const split = [rows.slice(0, 2), rows.slice(2, 4), rows.slice(4)];
      for (let step = 0; step < (poisoned ? 2 : 1); step++) {
        split.forEach((part, micro) => {
          const scale = poisoned && step === 0 && micro === 1 ? Number.POSITIVE_INFINITY : 1;
          const batch = weighted(part, rows).map((row) => ({
            ...row,
            weights: Array.from(row.weights, (weight) => weight * scale),
          }));
          engine.accumulate(batch, { micro, step: 0, seed: 0, noise: 0 });
        });
        const report = await engine.update({ lr: 0.01, step: 0, micros: 3 }).read();
        expect(report.finite).toBe(!poisoned || step === 1);
      }
      return bits(await trained(engine));
    };
    expect(await run(true)).toEqual(await run(false));
  });
});

describe("a number that is not one is never hidden", () => {
  /** The name of each weight of which `isHidden` says so after one of its numbers was made `bad`. */
  async function hiding(own: Tiny, bad: number, isHidden: (engine: Engine) => Promise<boolean>) {
    const engine = await Engine.create(gpu, tinyOptions(own, { trainable: { kind: "full" } }));
    const word = batchOf(own)[0]?.ids[1] ?? 0;
    const hidden: string[] = [];
    for (const [tensor, values] of own.weights) {
      const poisoned = values.slice();
      // Of the tables a row that the batch reads.
      const row = tensor === "wpe.weight" ? 1 : word;
      poisoned[/embed|wte|wpe/.test(tensor) ? row * own.spec.hidden : 0] = bad;
      write(engine, tensor, poisoned);
      if (await isHidden(engine)) hidden.push(tensor);
      write(engine, tensor, values);
    }
    expect(await evaluate(engine, own), "the model is whole again").toBe(true);
    return hidden;
  }

  const batchOf = (own: Tiny) => tinyRows(own.spec, [9, 6]);
  const evaluate = async (engine: Engine, own: Tiny) =>
    Number.isFinite((await evaluateRows(engine, batchOf(own), 2, 1))["eval_loss"]);
  const train = async (engine: Engine, own: Tiny) => {
    engine.accumulate(weighted(batchOf(own)), { micro: 0, step: 0, seed: 0, noise: 0 });
    return engine.update({ lr: 0, step: 0, micros: 1 }).read();
  };

  // One weight at a time: attention, activations and norms must all hand it on, whatever exp(NaN) gives.
  it.each(TINY_NAMES)("a NaN in any weight of %s makes a NaN of the loss", async (name) => {
    const own = await tinyModel(name);
    const hidden = await hiding(own, Number.NaN, async (engine) => {
      const report = await train(engine, own);
      return report.finite || Number.isFinite(report.micros[0]?.loss) || evaluate(engine, own);
    });
    expect(hidden).toEqual([]);
  });

  // A softcap makes a finite loss of an infinite logit, as it should; its gradient is none.
  it.each(TINY_NAMES)("an infinity in any weight of %s skips the step", async (name) => {
    const own = await tinyModel(name);
    expect(
      await hiding(own, Number.POSITIVE_INFINITY, async (engine) => (await train(engine, own)).finite),
    ).toEqual([]);
  });

  it("in any part of an adapter", async () => {
    const engine = await Engine.create(gpu, tinyOptions(tiny, { trainable: lora(tiny.spec) }));
    const hidden: string[] = [];
    for (const [name, { data }] of tinyAdapter(tiny.spec)) {
      write(engine, name, NAN);
      const { eval_loss: loss } = await evaluateRows(engine, rows, 8, 1);
      if (Number.isFinite(loss)) hidden.push(name);
      write(engine, name, data.subarray(0, 1));
    }
    expect(hidden).toEqual([]);
  });
});

describe("a run", () => {
  const settings = {
    ...{ max_steps: 20, batch_size: 2, save_strategy: "steps", save_steps: 2, lr_scheduler: "linear" },
    ...{ warmup_ratio: 0, max_grad_norm: 0 },
  };

  it("pauses at the third such step of ten, before anything of it is saved", async () => {
    const made = await tinyRun(gpu, { tiny, rows, settings: { ...settings, learning_rate: 1e-3 } });
    await made.run.train(GO, 4);
    expect(await made.checkpoints.steps("run")).toEqual([2, 4]);
    const name = [...(await made.engine.pool.read(gpu, "params")).keys()][0] ?? "";
    write(made.engine, name, NAN);
    const before = bits(await trained(made.engine));
    const outcome = await made.run.train(GO);
    // Reports come one step late: step 8 is on the GPU when step 7 turns out to be the third.
    expect(outcome).toMatchObject({ state: "paused", step: 8 });
    expect(outcome.reason).toContain("4 of the last ten steps (5, 6, 7, 8)");
    expect(bits(await trained(made.engine))).toEqual(before);
    const seen = made.log.slice(4);
    expect(seen.map((line) => [line["step"], line["loss"]])).toEqual(
      [5, 6, 7, 8].map((step) => [step, Number.NaN]),
    );
    expect(seen.some((line) => Number.isFinite(line["grad_norm"]))).toBe(false);
    // The schedule goes on: rates fall step by step as if nothing had happened.
    const rates = made.log.map((line) => line["learning_rate"] ?? 0);
    rates.forEach((rate, step) => {
      expect(rate).toBeCloseTo(1e-3 * (1 - step / 20), 12);
    });
    expect(made.notes).toHaveLength(4);
    expect(await made.checkpoints.steps("run"), "none of a skipped step").toEqual([2, 4]);
  });

  it("pauses when the learning rate is absurd, with the last numbers that were finite", async () => {
    const made = await tinyRun(gpu, { tiny, rows, settings, overrides: { learning_rate: 1e30 } });
    expect(await made.run.train(GO)).toMatchObject({ state: "paused" });
    expect(Number.isFinite(made.log[0]?.["loss"])).toBe(true);
    expect(made.log.slice(1).some((line) => Number.isFinite(line["loss"]))).toBe(false);
    expect(await made.checkpoints.steps("run")).toEqual([]);
    // The one update that was applied, of a rate that f32 can hold.
    expect((await trained(made.engine)).every(Number.isFinite)).toBe(true);
  });

  it("goes on from the checkpoint before, as if nothing had been", async () => {
    const calm = { ...settings, learning_rate: 1e-3 };
    const whole = await tinyRun(gpu, { tiny, rows, settings: calm });
    await whole.run.train(GO, 6);
    const made = await tinyRun(gpu, { tiny, rows, settings: calm });
    await made.run.train(GO, 4);
    const name = [...(await made.engine.pool.read(gpu, "params")).keys()][0] ?? "";
    write(made.engine, name, NAN);
    expect(await made.run.train(GO)).toMatchObject({ state: "paused" });
    made.log.length = 0;
    await made.run.restore(4);
    await made.run.train(GO, 2);
    expect(await made.state()).toEqual(await whole.state());
    expect(made.log).toEqual(whole.log.slice(4));
  });
});
