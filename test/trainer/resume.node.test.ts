import { describe, expect, it } from "vitest";
import { memoryCheckpoints } from "../../src/storage/memory_checkpoints.ts";
import type { RunControl } from "../../src/trainer/training_run.ts";
import { testDevice } from "../gpu.ts";
import { tinyModel, tinyRows } from "../tiny_model.ts";
import { bits, GO, type LogLine, tinyRun, trained } from "./tiny_run.ts";

const gpu = await testDevice();
const tiny = await tinyModel("qwen3");
const rows = tinyRows(tiny.spec, [9, 3, 12, 2, 7, 6, 8]);
const validation = tinyRows(tiny.spec, [5, 11, 4]).map((row) => ({ ...row, rowIndices: [100] }));

/** Everything that could be lost: noise, a window of the log over the border, epochs, a schedule, skipped rows. */
const SETTINGS = {
  ...{ max_steps: 11, batch_size: 2, gradient_accumulation_steps: 2, learning_rate: 0.02 },
  ...{ lora_dropout: 0.25, neftune_noise_alpha: 5, weight_decay: 0.1, logging_steps: 3 },
  ...{ lr_scheduler: "cosine", warmup_ratio: 0.2, eval_strategy: "steps", eval_steps: 4 },
};

describe.each([
  ["adamw", SETTINGS],
  ["adamw_8bit", { ...SETTINGS, optim: "adamw_8bit" }],
  ["adamw_8bit of every weight", { ...SETTINGS, optim: "adamw_8bit", peft_enabled: false, lora_dropout: 0 }],
])("a run that is resumed: %s", (_, settings) => {
  const open = (checkpoints = memoryCheckpoints()) =>
    tinyRun(gpu, { tiny, rows, validation, settings, checkpoints });

  it.each([[[5]], [[1, 2, 8]]])("ends with the bits of the one that never stopped: %j", async (stops) => {
    const whole = await open();
    expect(await whole.run.train(GO)).toMatchObject({ state: "done", step: 11 });

    const checkpoints = memoryCheckpoints();
    const log: LogLine[] = [];
    let before = 0;
    for (const stop of stops) {
      const part = await open(checkpoints);
      if (before > 0) await part.run.restore(before);
      expect(await part.run.train(GO, stop - before)).toEqual({ state: "paused", step: stop, reason: null });
      log.push(...part.log);
      before = stop;
    }
    const last = await open(checkpoints);
    await last.run.restore(before);
    expect(last.run.step).toBe(before);
    await last.run.train(GO);
    expect([...log, ...last.log]).toEqual(whole.log);
    expect(await last.state()).toEqual(await whole.state());
    expect(last.run.numTokens).toBe(whole.run.numTokens);
    expect(last.run.epoch).toBe(whole.run.epoch);
    expect(last.run.best).toEqual(whole.run.best);
  });
});

describe("restoring", () => {
  it("puts back exactly what was saved, over whatever came after", async () => {
    const made = await tinyRun(gpu, { tiny, rows, settings: SETTINGS });
    await made.run.train(GO, 4);
    const saved = await made.state();
    await made.run.train(GO, 3);
    expect(await made.state()).not.toEqual(saved);
    await made.run.restore(4);
    expect(await made.state()).toEqual(saved);
  });

  it("never starts the schedule again", async () => {
    const checkpoints = memoryCheckpoints();
    const settings = { ...SETTINGS, logging_steps: 1 };
    const whole = await tinyRun(gpu, { tiny, rows, settings });
    await whole.run.train(GO);
    const first = await tinyRun(gpu, { tiny, rows, settings, checkpoints });
    await first.run.train(GO, 6);
    const second = await tinyRun(gpu, { tiny, rows, settings, checkpoints });
    await second.run.restore(6);
    await second.run.train(GO);
    const rates = (log: readonly LogLine[]) => log.flatMap((line) => line["learning_rate"] ?? []);
    expect([...rates(first.log), ...rates(second.log)]).toEqual(rates(whole.log));
    expect(rates(whole.log)[0]).toBe(0); // the warm-up comes once
    expect(rates(second.log)[0]).toBeGreaterThan(0);
  });

  it("refuses a checkpoint of another adapter, and one that is not there", async () => {
    const checkpoints = memoryCheckpoints();
    const first = await tinyRun(gpu, { tiny, rows, settings: SETTINGS, checkpoints });
    await first.run.train(GO, 1);
    const other = await tinyRun(gpu, { tiny, rows, settings: { ...SETTINGS, lora_rank: 8 }, checkpoints });
    await expect(other.run.restore(1)).rejects.toMatchObject({ code: "checkpoint-invalid" });
    await expect(other.run.restore(2)).rejects.toMatchObject({ code: "checkpoint-invalid" });
  });
});

describe("requests", () => {
  it("a pause ends at a step border, with a checkpoint of it", async () => {
    const control: { request: RunControl["request"] } = { request: "go" };
    const made = await tinyRun(gpu, {
      tiny,
      rows,
      settings: { ...SETTINGS, save_strategy: "steps", save_steps: 3 },
    });
    const steps = made.run.train(control, 100);
    control.request = "pause";
    const outcome = await steps;
    expect(outcome).toMatchObject({ state: "paused", reason: null });
    expect(await made.checkpoints.steps("run")).toEqual([outcome.step]);
    expect(outcome.step).toBeLessThan(11);
  });

  it("a stop ends the run where it is, with a checkpoint", async () => {
    const control: { request: RunControl["request"] } = { request: "go" };
    const made = await tinyRun(gpu, { tiny, rows, settings: SETTINGS });
    const steps = made.run.train(control);
    control.request = "stop";
    const outcome = await steps;
    expect(outcome).toMatchObject({ state: "done", stoppedEarly: true, reason: "stopped by you" });
    expect(await made.checkpoints.steps("run")).toEqual([outcome.step]);
  });
});

describe("checkpoints and the best of them", () => {
  /** Learns the training rows by heart, so that the loss on others falls and then rises. */
  const overfit = {
    ...{ max_steps: 12, batch_size: 7, learning_rate: 0.03, lr_scheduler: "constant", warmup_ratio: 0 },
    ...{ eval_strategy: "steps", eval_steps: 1, save_strategy: "steps", save_steps: 1 },
  };
  /** Rows of the training set with other ends: worth learning at first. */
  const near = rows.map((row) => ({
    ...row,
    ids: row.ids.map((id, t) => (t % 2 === 0 ? id : (id + 1) % 83)),
  }));
  /** Held-out losses from step 1 on, and the step of the lowest. */
  const lossesOf = (log: readonly LogLine[]) => {
    const losses = log.flatMap((line) => (line["step"] === 0 ? [] : (line["eval_loss"] ?? [])));
    return { losses, best: 1 + losses.indexOf(Math.min(...losses)) };
  };

  it("save_total_limit keeps the newest and the best", async () => {
    const settings = { ...overfit, save_total_limit: 2 };
    const made = await tinyRun(gpu, { tiny, rows, validation: near, settings });
    await made.run.train(GO);
    const { losses, best } = lossesOf(made.log);
    expect(best, "the best step is not among the newest").toBeLessThan(11);
    expect(made.run.best).toMatchObject({ step: best, metric: Math.min(...losses) });
    expect(await made.checkpoints.steps("run")).toEqual([best, 11, 12]);
    expect(made.saved).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  });

  it("load_best_model_at_end brings the best parameters back, also when no save was due", async () => {
    const settings = { ...overfit, save_strategy: "no" };
    const plain = await tinyRun(gpu, { tiny, rows, validation: near, settings });
    await plain.run.train(GO);
    const { best } = lossesOf(plain.log);
    const until = await tinyRun(gpu, { tiny, rows, validation: near, settings });
    await until.run.train(GO, best);

    const made = await tinyRun(gpu, {
      ...{ tiny, rows, validation: near },
      settings: { ...settings, load_best_model_at_end: true, save_strategy: "steps", save_steps: 100 },
    });
    await made.run.train(GO);
    expect(made.run.best.step).toBe(best);
    expect(bits(await trained(made.engine))).toEqual(bits(await trained(until.engine)));
    expect(bits(await trained(made.engine))).not.toEqual(bits(await trained(plain.engine)));
    expect(made.notes.some((note) => note.includes(`step ${best}`))).toBe(true);
  });

  it("early stopping stops after so many evaluations without a better one", async () => {
    const settings = { ...overfit, early_stopping_patience: 2, load_best_model_at_end: true };
    const made = await tinyRun(gpu, { tiny, rows, validation: near, settings });
    const outcome = await made.run.train(GO);
    const { losses, best } = lossesOf(made.log);
    expect(outcome).toMatchObject({ state: "done", stoppedEarly: true, step: best + 2 });
    expect(outcome.reason).toContain("did not improve in 2 evaluations");
    expect(outcome.step).toBeLessThan(12);
    expect(losses).toHaveLength(best + 2);
  });
});
