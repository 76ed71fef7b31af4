import { describe, expect, it } from "vitest";
import { adamw } from "../../../src/kernels/optim/adamw.ts";
import { gradNorm, gradNormPartials } from "../../../src/kernels/optim/grad_norm.ts";
import { gradNormFinish } from "../../../src/kernels/optim/grad_norm_finish.ts";
import { maxError, testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/optim.ts";

const gpu = await testGpu();

interface Pool {
  readonly count: number;
  readonly decayEnd: number;
  readonly max_norm: number;
  readonly options: reference.AdamOptions;
}

/** A pool with its state on the device; every step uploads gradients and runs the three kernels. */
function makePool(p: readonly number[], { count, decayEnd, max_norm, options }: Pool) {
  const zeros = new Array<number>(p.length).fill(0);
  const args = {
    params: gpu.tensor("params", [p.length], p),
    grads: gpu.tensor("grads", [p.length]),
    m: gpu.tensor("m", [p.length], zeros),
    v: gpu.tensor("v", [p.length], zeros),
    state: gpu.tensor("state", [16]),
  };
  const partials = gpu.tensor("partials", [8]);
  const metrics = gpu.tensor("metrics", [1, 32]);
  const read = async () => ({
    p: [...(await gpu.read(args.params))],
    m: [...(await gpu.read(args.m))],
    v: [...(await gpu.read(args.v))],
    grads: [...(await gpu.read(args.grads))],
    norm: (await gpu.read(args.state))[0],
  });
  return {
    read,
    async step(grads: readonly number[]) {
      gpu.gpu.upload(args.grads, Float32Array.from(grads));
      await gpu.run(
        (recorder) => {
          gradNorm(recorder, { grads: args.grads, partials }, { count, first: 0, threads: 64 });
          const finish = { count: gradNormPartials(count), max_norm, threads: 64, ...options };
          gradNormFinish(recorder, { partials, metrics, state: args.state }, finish);
          adamw(recorder, args, { count, decayEnd, ...options });
        },
        { lr: options.lr },
      );
      return read();
    },
  };
}

const torch = { lr: 0.1, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.01 };

describe("adamw", () => {
  it("gives torch's numbers for three steps", async () => {
    const pool = makePool([1, -2, 0.5, 3], { count: 4, decayEnd: 4, max_norm: 0, options: torch });
    const steps = [
      [
        [0.1, -0.2, 0.3, 0],
        [0.89900001, -1.898000005, 0.399500003, 2.997],
      ],
      [
        [-0.4, 0.5, 0.01, 1e-6],
        [0.954051357, -1.94032353, 0.329651595, 2.920626755],
      ],
      [
        [0.2, 0.2, -0.3, 5],
        [0.964114672, -1.992677505, 0.3365509, 2.853824757],
      ],
    ] as const;
    for (const [grads, expected] of steps) {
      const { p, grads: after } = await pool.step(grads);
      // Steps of size 0.1 in f32, three times.
      expect(maxError(p, expected)).toBeLessThan(5e-7);
      expect(after).toEqual([0, 0, 0, 0]);
    }
  });

  it("matches the oracle over five clipped steps, with elements that do not decay and some not its own", async () => {
    const [length, count, decayEnd] = [5003, 4999, 3001];
    const options = { ...torch, lr: 1e-2, weight_decay: 0.1 };
    const p = uniforms(1, length);
    const pool = makePool(p, { count, decayEnd, max_norm: 1, options });
    const zeros = new Array<number>(length).fill(0);
    let expected: reference.AdamState = { p, m: zeros, v: zeros };
    for (let t = 1; t <= 5; t++) {
      const grads = uniforms(10 + t, length, -2, 2);
      const norm = reference.gradNorm(grads.slice(0, count));
      const clip = reference.clipCoefficient(norm, 1);
      expected = reference.adamw(
        expected,
        grads.map((g) => g * clip),
        t,
        decayEnd,
        options,
      );
      const actual = await pool.step(grads);
      // The norm of 4999 elements; then a few operations on numbers of size 1.
      expect(Math.abs((actual.norm as number) / norm - 1)).toBeLessThan(1e-6);
      expect(maxError(actual.p.slice(0, count), expected.p.slice(0, count))).toBeLessThan(1e-6);
      expect(actual.p.slice(count)).toEqual(p.slice(count));
      expect(actual.grads).toEqual([...zeros.slice(0, count), ...grads.slice(count)]);
    }
  });

  it.each([Number.NaN, Number.NEGATIVE_INFINITY, 1e30])("skips a step with a gradient of %d", async (bad) => {
    const pool = makePool([1, 2, 3], { count: 3, decayEnd: 3, max_norm: 1, options: torch });
    const before = await pool.step([1, 2, 3]);
    const after = await pool.step([1, bad, 3]);
    expect({ ...after, norm: 0 }).toEqual({ ...before, norm: 0 });
    expect(Number.isFinite(after.norm)).toBe(false);
    // And goes on as if it had never been.
    const other = makePool([1, 2, 3], { count: 3, decayEnd: 3, max_norm: 1, options: torch });
    await other.step([1, 2, 3]);
    expect(await pool.step([3, 2, 1])).toEqual(await other.step([3, 2, 1]));
  });
});
