import { describe, expect, it } from "vitest";
import type { Trainable } from "../../src/model/loaded_model.ts";
import { Engine } from "../../src/trainer/engine.ts";
import { testDevice } from "../gpu.ts";
import { moved, worstError } from "../reference/finite_difference.ts";
import { type Decoder, decoderLoss } from "../reference/tiny_decoder.ts";
import {
  LORA,
  lora,
  TINY_NAMES,
  type Tiny,
  tinyAdapter,
  tinyModel,
  tinyOptions,
  tinyRows,
  weighted,
} from "../tiny_model.ts";

const gpu = await testDevice();
const NO_NOISE = { micro: 0, step: 0, seed: 0, noise: 0 };

/** Loss and gradients of one batch: rows beyond a tile and beyond Gemma's window, a single token, targets with gaps. */
async function onGpu(tiny: Tiny, trainable: Trainable) {
  const rows = tinyRows(tiny.spec, [9, 1, 19, 4], (row, t) => row !== 3 && t % 3 !== 1);
  const engine = await Engine.create(gpu, tinyOptions(tiny, { trainable }));
  engine.accumulate(weighted(rows), NO_NOISE);
  const grads = await engine.pool.read(gpu, "grads");
  const report = await engine.update({ lr: 0, step: 0, micros: 1 }).read();
  return { batch: weighted(rows), grads, report };
}

describe.each(TINY_NAMES)("%s", (name) => {
  it("has the loss and the adapter's gradients of the float64 model", async () => {
    const tiny = await tinyModel(name);
    const { batch, grads, report } = await onGpu(tiny, lora(tiny.spec));
    const values = new Map([...tinyAdapter(tiny.spec)].map(([key, { data }]) => [key, data]));
    const decoder = (changed: Decoder["weights"]): Decoder => ({
      ...tiny,
      adapter: { settings: LORA, values: changed },
    });
    const expected = decoderLoss(decoder(values), batch);
    // f32 sums of about 50 products through two layers and a softmax.
    expect(Math.abs((report.micros[0]?.loss ?? Number.NaN) - expected)).toBeLessThan(5e-6 * expected);
    expect([...grads.keys()].sort()).toEqual([...values.keys()].sort());
    const worst = worstError(grads, (key, direction, h) =>
      decoderLoss(decoder(moved(values, key, direction, h)), batch),
    );
    // The gradient's own rounding of a few 1e-6, seen through a random direction.
    expect(worst.error, worst.name).toBeLessThan(1e-4);
  });

  it("has the gradients of the float64 model for every weight", async () => {
    const tiny = await tinyModel(name);
    const { batch, grads } = await onGpu(tiny, { kind: "full" });
    expect([...grads.keys()].sort()).toEqual([...tiny.weights.keys()].sort());
    const worst = worstError(grads, (key, direction, h) =>
      decoderLoss({ ...tiny, weights: moved(tiny.weights, key, direction, h) }, batch),
    );
    expect(worst.error, worst.name).toBeLessThan(1e-4); // as above
  });
});
