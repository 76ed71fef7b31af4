import { describe, expect, it } from "vitest";
import type { Trainable } from "../../src/model/loaded_model.ts";
import { Engine } from "../../src/trainer/engine.ts";
import { testDevice } from "../gpu.ts";
import { type Decoder, decoderLoss } from "../reference/tiny_decoder.ts";
import {
  LORA,
  lora,
  normals,
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

/** The same values as float64, with one tensor moved along a direction. */
function moved(
  values: ReadonlyMap<string, ArrayLike<number>>,
  name: string,
  direction: ArrayLike<number>,
  h: number,
): ReadonlyMap<string, ArrayLike<number>> {
  const start = values.get(name);
  if (!start) throw new Error(`no ${name}`);
  const end = Float64Array.from(start, (value, i) => value + h * (direction[i] ?? 0));
  return new Map([...values, [name, end]]);
}

/** Half the step of a central difference in float64: its own error is h^2 = 1e-10 and 1e-16 / h = 1e-11. */
const H = 1e-5;

/**
 * The worst |<gradient, direction> - difference| / |gradient| over all tensors, along a random direction of length one for
 * each: a wrong gradient is orthogonal to none of them but by chance.
 */
function worstError(
  grads: ReadonlyMap<string, { readonly data: Float32Array }>,
  loss: (name: string, direction: Float32Array, h: number) => number,
): { error: number; name: string } {
  let worst = { error: 0, name: "nothing was compared" };
  let seed = 500;
  for (const [name, { data }] of grads) {
    const raw = normals(seed++, data.length, 1);
    const length = Math.sqrt(raw.reduce((sum, v) => sum + v * v, 0));
    const direction = raw.map((v) => v / length);
    const expected = (loss(name, direction, H) - loss(name, direction, -H)) / (2 * H);
    const actual = data.reduce((sum, g, i) => sum + g * (direction[i] ?? 0), 0);
    // A tensor of n elements has its length spread over all of them: a direction meets 1 / sqrt(n) of it.
    const size = Math.sqrt(data.reduce((sum, g) => sum + g * g, 0)) / Math.sqrt(data.length);
    const error = Math.abs(actual - expected) / Math.max(size, 1e-7);
    if (!(error <= worst.error)) worst = { error, name };
  }
  return worst;
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
