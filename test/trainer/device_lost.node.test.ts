import { describe, expect, it } from "vitest";
import { openGpu } from "../../src/gpu/device.ts";
import type { AppError } from "../../src/lib/errors.ts";
import { Engine } from "../../src/trainer/engine.ts";
import { evaluateRows } from "../../src/trainer/evaluation.ts";
import { tinyModel, tinyOptions, tinyRows, weighted } from "../tiny_model.ts";
import { GO, tinyRun } from "./tiny_run.ts";

const tiny = await tinyModel("qwen3");
const rows = tinyRows(tiny.spec, [9, 3, 12]);
const LOST = { name: "AppError", code: "device-lost" };
const STEP = { micro: 0, step: 0, seed: 0, noise: 0 };

/** An engine that has done a step, on a device of its own. */
async function worked() {
  const gpu = await openGpu();
  const engine = await Engine.create(gpu, tinyOptions(tiny));
  engine.accumulate(weighted(rows), STEP);
  await engine.update({ lr: 0, step: 0, micros: 1 }).read();
  return { gpu, engine };
}

type Call = (engine: Engine) => unknown;

const CALLS: Readonly<Record<string, Call>> = {
  "a step": (engine) => {
    engine.accumulate(weighted(rows), STEP);
    return engine.update({ lr: 0, step: 1, micros: 1 }).read();
  },
  "an evaluation": (engine) => evaluateRows(engine, rows, 2, 2),
  "reading parameters": (engine) => engine.pool.read(engine.gpu, "params"),
  waiting: (engine) => engine.gpu.idle(),
  "another engine": (engine) => Engine.create(engine.gpu, tinyOptions(tiny)),
};

describe("after the device is lost", () => {
  it.each(Object.entries(CALLS))("%s says so at once", async (_, call) => {
    const { gpu, engine } = await worked();
    gpu.device.destroy();
    await expect((async () => call(engine))()).rejects.toMatchObject(LOST);
  });

  it.each(Object.entries(CALLS))("%s says so later, and so does every call after it", async (_, call) => {
    const { gpu, engine } = await worked();
    gpu.device.destroy();
    await gpu.device.lost;
    await expect((async () => call(engine))()).rejects.toMatchObject(LOST);
    expect(() => gpu.check()).toThrow(/reset by the system/);
    await expect((async () => call(engine))()).rejects.toMatchObject(LOST);
  });

  it("a run in the middle of its steps ends with it, and nothing else goes wrong", async () => {
    const gpu = await openGpu();
    const { run } = await tinyRun(gpu, { tiny, rows, settings: { max_steps: 50, batch_size: 2 } });
    const control = {
      get request() {
        if (run.step === 5) gpu.device.destroy();
        return "go" as const;
      },
    };
    await expect(run.train(control)).rejects.toMatchObject(LOST);
    expect(run.step).toBeLessThan(10);
    await expect(run.train(GO)).rejects.toMatchObject(LOST);
  });

  it("the listener hears of it once", async () => {
    const { gpu } = await worked();
    const heard: AppError[] = [];
    gpu.onLost((error) => heard.push(error));
    gpu.device.destroy();
    await gpu.device.lost;
    await Promise.resolve();
    expect(heard).toMatchObject([LOST]);
  });
});

it("closing a device on purpose is no loss", async () => {
  const { gpu } = await worked();
  const heard: AppError[] = [];
  gpu.onLost((error) => heard.push(error));
  gpu.close();
  await gpu.device.lost;
  await Promise.resolve();
  expect(heard).toEqual([]);
  expect(() => gpu.check()).not.toThrow();
});
