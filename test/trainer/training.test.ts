import { describe, expect, it } from "vitest";
import type { TrainingRow } from "../../src/data/packed_rows.ts";
import type { BatchRow } from "../../src/model/batch_tables.ts";
import { Engine } from "../../src/trainer/engine.ts";
import type { EngineOptions } from "../../src/trainer/engine_parts.ts";
import { evaluateRows } from "../../src/trainer/evaluation.ts";
import { relativeError, testDevice } from "../gpu.ts";
import { decoderLoss } from "../reference/tiny_decoder.ts";
import { lora, tinyModel, tinyOptions, tinyRows, weighted } from "../tiny_model.ts";
import { bits, GO, stateOf, tinyRun, trained } from "./tiny_run.ts";

const gpu = await testDevice();
const tiny = await tinyModel("qwen3");
const { spec } = tiny;

/** Loss and gradients of one optimizer step of these micro-batches, without an update. */
async function gradients(
  micros: readonly (readonly BatchRow[])[],
  changes: Partial<EngineOptions> = {},
  noise = 0,
) {
  const engine = await Engine.create(gpu, tinyOptions(tiny, changes));
  micros.forEach((rows, micro) => {
    engine.accumulate(rows, { micro, step: 3, seed: 11, noise });
  });
  const grads = await trained(engine, "grads");
  const report = await engine.update({ lr: 0, step: 3, micros: micros.length }).read();
  return { grads, report, loss: report.micros.reduce((sum, micro) => sum + micro.loss, 0) };
}

describe("learning", () => {
  it.each(["qwen3", "gpt2", "gemma3"] as const)("%s learns one batch by heart with LoRA", async (name) => {
    const own = await tinyModel(name);
    const rows = tinyRows(own.spec, [8, 5, 9]);
    const settings = { max_steps: 60, batch_size: 3, learning_rate: 0.02, lr_scheduler: "constant" };
    const { run, log } = await tinyRun(gpu, { tiny: own, rows, settings: { ...settings, lora_rank: 8 } });
    expect(await run.train(GO)).toMatchObject({ state: "done", step: 60 });
    // A random model starts near or above log V = 4.2; a wrong gradient stays there.
    expect(log[0]?.["loss"]).toBeGreaterThan(3);
    expect(log.at(-1)?.["loss"]).toBeLessThan(0.02);
    expect(log.at(-1)?.["mean_token_accuracy"]).toBe(1);
  });

  it("learns one batch by heart with every weight, in steps of 8-bit AdamW", async () => {
    const rows = tinyRows(spec, [8, 5, 9]);
    const settings = { max_steps: 60, batch_size: 3, learning_rate: 0.01, lr_scheduler: "constant" };
    const { run, log } = await tinyRun(gpu, {
      tiny,
      rows,
      settings: { ...settings, peft_enabled: false, optim: "adamw_8bit" },
    });
    await run.train(GO);
    expect(log.at(-1)?.["loss"]).toBeLessThan(0.02);
  });
});

describe("gradient accumulation", () => {
  const rows = tinyRows(spec, [9, 3, 12, 2, 7, 5, 11, 4]);

  it("ends where one large batch ends", async () => {
    const train = async (split: readonly (readonly TrainingRow[])[]) => {
      const engine = await Engine.create(gpu, tinyOptions(tiny));
      for (let step = 0; step < 5; step++) {
        split.forEach((part, micro) => {
          engine.accumulate(weighted(part, rows), { micro, step, seed: 1, noise: 0 });
        });
        await engine.update({ lr: 0.01, step, micros: split.length }).read();
      }
      return trained(engine);
    };
    const whole = await train([rows]);
    const split = await train([rows.slice(0, 3), rows.slice(3, 4), rows.slice(4, 7), rows.slice(7)]);
    // The same sums in another order: f32 rounding, of which AdamW makes steps of relative size.
    expect(relativeError(split, whole)).toBeLessThan(1e-5);
    expect(relativeError(whole, await trained(await Engine.create(gpu, tinyOptions(tiny))))).toBeGreaterThan(
      0.01,
    );
  });

  it("reports the mean over all tokens of the step, however they are split", async () => {
    const settings = { max_steps: 1, learning_rate: 0.01, train_sampling_strategy: "sequential" };
    const runs = [
      { batch_size: 8, gradient_accumulation_steps: 1 },
      { batch_size: 3, gradient_accumulation_steps: 3 },
      { batch_size: 1, gradient_accumulation_steps: 8 },
    ].map((split) => tinyRun(gpu, { tiny, rows, settings: { ...settings, ...split } }));
    const expected = decoderLoss(tiny, weighted(rows)); // B of a fresh adapter is zero
    for (const { run, log } of await Promise.all(runs)) {
      await run.train(GO);
      // f32 against float64, as in the gradient test.
      expect(Math.abs((log[0]?.["loss"] ?? Number.NaN) / expected - 1)).toBeLessThan(5e-6);
    }
  });
});

describe("masks", () => {
  const rows = tinyRows(spec, [9, 6]);
  const masked = tinyRows(spec, [9, 6, 7], (row) => row < 2);

  it("a row without targets changes no bit of loss and gradient", async () => {
    const plain = await gradients([weighted(rows)]);
    const more = await gradients([weighted(masked)]);
    expect(more.loss).toBe(plain.loss);
    expect(relativeError(more.grads, plain.grads)).toBeLessThan(1e-6); // sums over tokens may be cut elsewhere
    expect(more.report.micros[0]?.live).toBe(13);
  });

  it("a micro-batch without targets changes no bit, wherever it stands", async () => {
    const plain = await gradients([weighted(rows)]);
    const empty = weighted(masked.slice(2), rows);
    for (const micros of [
      [empty, weighted(rows)],
      [weighted(rows), empty],
    ]) {
      const more = await gradients(micros);
      expect(bits(more.grads)).toEqual(bits(plain.grads));
      expect(more.report.finite).toBe(true);
      expect(more.report.micros.map((micro) => micro.live).sort()).toEqual([0, 13]);
      expect(more.loss).toBe(plain.loss);
    }
  });

  it("a step without any target moves nothing and is finite", async () => {
    const { run, engine, log } = await tinyRun(gpu, {
      tiny,
      rows: masked.slice(2),
      settings: { max_steps: 2, batch_size: 1, learning_rate: 0.1, warmup_ratio: 0 },
    });
    const before = bits(await trained(engine));
    await run.train(GO);
    expect(bits(await trained(engine))).toEqual(before);
    expect(log.map((line) => [line["loss"], line["grad_norm"]])).toEqual([
      [0, 0],
      [0, 0],
    ]);
  });

  it("one token of a masked row cannot be read by the loss", async () => {
    const other = masked.map((row, i) => (i === 2 ? { ...row, ids: row.ids.map(() => 1) } : row));
    const { loss } = await gradients([weighted(masked)]);
    expect((await gradients([weighted(other)])).loss).toBe(loss);
  });
});

describe("rows of a batch", () => {
  const rows = tinyRows(spec, [9, 3, 12, 2, 7]);

  it("may come in any order", async () => {
    const plain = await gradients([weighted(rows)]);
    const turned = await gradients([weighted(rows).toReversed()]);
    expect(Math.abs(turned.loss / plain.loss - 1)).toBeLessThan(1e-6); // another order of one sum
    expect(relativeError(turned.grads, plain.grads)).toBeLessThan(1e-6);
  });

  it("have the same loss packed into one row", async () => {
    const ids = Uint32Array.from(rows.flatMap((row) => [...row.ids]));
    const learned = Uint8Array.from(rows.flatMap((row) => [...row.learned]));
    const packed = [
      { ids, learned, lengths: rows.flatMap((row) => row.lengths), rowIndices: [0, 1, 2, 3, 4] },
    ];
    const plain = await gradients([weighted(rows)]);
    const together = await gradients([weighted(packed)]);
    expect(together.loss).toBe(plain.loss);
    expect(bits(together.grads)).toEqual(bits(plain.grads));
  });

  it.each([
    ["dropout", { trainable: lora(spec, { dropout: 0.4 }) }, 0],
    ["NEFTune", {}, 0.3],
    ["both, rematerialised", { trainable: lora(spec, { dropout: 0.4 }), rematerialize: true }, 0.3],
  ])("meet the same noise in any order and any split: %s", async (_, changes, noise) => {
    const batch = weighted(rows);
    const whole = await gradients([batch], changes, noise);
    const split = await gradients([batch.slice(3), batch.slice(1, 3), batch.slice(0, 1)], changes, noise);
    expect(Math.abs(split.loss / whole.loss - 1)).toBeLessThan(1e-6);
    expect(relativeError(split.grads, whole.grads)).toBeLessThan(2e-6); // another order of the sums
    const plain = await gradients([batch]);
    expect(relativeError(whole.grads, plain.grads)).toBeGreaterThan(0.01);
  });
});

describe("the same seed", () => {
  const settings = {
    ...{ max_steps: 4, batch_size: 2, gradient_accumulation_steps: 2, learning_rate: 0.01 },
    ...{ lora_dropout: 0.3, neftune_noise_alpha: 5 },
  };
  const rows = tinyRows(spec, [9, 3, 12, 2, 7, 6]);
  const run = async (changes: Record<string, unknown> = {}) => {
    const made = await tinyRun(gpu, { tiny, rows, settings: { ...settings, ...changes } });
    await made.run.train(GO);
    return { log: made.log, state: await stateOf(made.engine) };
  };

  it("gives the same bits twice, and another one others", async () => {
    const first = await run();
    expect(await run()).toEqual(first);
    expect((await run({ seed: 43 })).state).not.toEqual(first.state);
  });

  it("gives the same bits with rematerialisation as without", async () => {
    expect(await run({ gradient_checkpointing: true })).toEqual(await run());
  });
});

describe("the learning rate", () => {
  it("of warmup_stable_decay falls in the last tenth of the run where nothing is said", async () => {
    const settings = { max_steps: 20, batch_size: 1, learning_rate: 0.01, warmup_steps: 2 };
    const rows = tinyRows(spec, [4]);
    const { run, log } = await tinyRun(gpu, {
      tiny,
      rows,
      settings: { ...settings, lr_scheduler: "warmup_stable_decay" },
    });
    await run.train(GO);
    const rates = log.map((line) => (line["learning_rate"] ?? Number.NaN) / 0.01);
    // Steps 0 and 1 warm up, 18 and 19 decay along half a cosine: 1 and (1 + cos(pi / 2)) / 2.
    expect(rates.slice(0, 2)).toEqual([0, 0.5]);
    expect(rates.slice(2, 19).every((rate) => rate === 1)).toBe(true);
    expect(rates[19]).toBeCloseTo(0.5, 12);
  });
});

describe("evaluation", () => {
  const rows = tinyRows(spec, [9, 3, 12, 2, 7]);

  it("has neither noise nor dropout, and does not depend on the batch size", async () => {
    const changes = { trainable: lora(spec, { dropout: 0.5 }), loss: { kind: "dft", smoothing: 0 } } as const;
    const engine = await Engine.create(gpu, tinyOptions(tiny, changes));
    const plain = await gradients([weighted(rows)]);
    for (const size of [1, 2, 5]) {
      const values = await evaluateRows(engine, rows, size, 2);
      expect(Math.abs((values["eval_loss"] ?? Number.NaN) / plain.loss - 1)).toBeLessThan(1e-6);
    }
  });

  it("leaves gradients and parameters alone", async () => {
    const engine = await Engine.create(gpu, tinyOptions(tiny));
    engine.accumulate(weighted(rows), { micro: 0, step: 0, seed: 0, noise: 0 });
    const before = await stateOf(engine);
    await evaluateRows(engine, rows, 2, 2);
    expect(await stateOf(engine)).toEqual(before);
  });
});
