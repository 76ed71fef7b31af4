import { expect, it } from "vitest";
import { loraU } from "../../../src/kernels/lora/lora_u.ts";
import type { LoraRows } from "../../../src/kernels/lora/params.ts";
import type { KernelProfile } from "../../../src/kernels/profile.ts";
import { relativeError, testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/lora.ts";
import { CASES, keysFor, type LoraCase, maskFor, SEED, STEP } from "./cases.ts";

const gpu = await testGpu();

interface Options {
  readonly dropout?: boolean;
  readonly rows?: LoraRows;
  readonly N?: number;
  readonly x?: readonly number[];
}

function data({ capacity, shape }: LoraCase) {
  return { x: uniforms(1, capacity * shape.ldx), a: uniforms(2, shape.ru * shape.K) };
}

async function run(profile: KernelProfile, test: LoraCase, options: Options = {}): Promise<Float32Array> {
  const { capacity, shape } = test;
  const values = data(test);
  const args = {
    x: gpu.tensor("x", [capacity, shape.ldx], options.x ?? values.x),
    u: gpu.tensor("u", [capacity, shape.ru]),
    a: gpu.tensor("a", [shape.ru, shape.K], values.a),
    keys: options.dropout ? gpu.tensor("keys", [capacity], keysFor(capacity)) : undefined,
  };
  const { rate, tag } = maskFor(capacity);
  const rows = options.rows ?? "N";
  const dropout = options.dropout ? { rate, tag } : undefined;
  await gpu.run(
    (recorder) => loraU(recorder, profile, args, { rows, rank: shape.rank, dropout, xColumn: shape.column }),
    { [rows]: options.N ?? shape.N, seed: SEED, step: STEP },
  );
  return gpu.read(args.u);
}

/** The tests of one variant of lora_u. */
export function checkLoraU(profile: KernelProfile): void {
  const options = [
    { rows: "N" },
    { rows: "M" },
    { rows: "R" },
    { rows: "N", dropout: true },
    { rows: "M", dropout: true },
  ] as const;
  const runs = CASES.flatMap((test) => options.map((option) => ({ ...option, test, title: test.name })));
  it.each(runs)("matches the oracle: $title, rows $rows, dropout $dropout", async ({ test, ...option }) => {
    const { capacity, shape } = test;
    const actual = await run(profile, test, option);
    const { x, a } = data(test);
    const mask = "dropout" in option ? maskFor(capacity) : undefined;
    const expected = reference.loraU(x, a, shape, mask);
    const used = shape.N * shape.ru;
    // Sums of at most 259 products of numbers below 1 in f32; a wrong mask or index is off by more than 1e-2.
    expect(relativeError(actual.slice(0, used), expected)).toBeLessThan(2e-6);
    expect([...actual.slice(used)].every((value) => value === 0)).toBe(true);
  });

  it.each(CASES)(
    "gives a row the same bits whatever the number of rows and its neighbours: $name",
    async (test) => {
      const { shape } = test;
      const all = await run(profile, test, { dropout: true });
      const one = await run(profile, test, { dropout: true, N: 1 });
      expect([...one.slice(0, shape.ru)]).toEqual([...all.slice(0, shape.ru)]);
      const x = data(test).x.map((value, i) => (i < shape.ldx ? value : 9));
      const others = await run(profile, test, { dropout: true, x });
      expect([...others.slice(0, shape.ru)]).toEqual([...all.slice(0, shape.ru)]);
    },
  );

  it("drops each channel with the given rate, independently by projection", async () => {
    const [N, K] = [64, 128] as const;
    // a is one row of ones a projection and x is ones: u counts the kept channels.
    const x = gpu.tensor("x", [N, K], new Float32Array(N * K).fill(1));
    const a = gpu.tensor("a", [2, K], new Float32Array(2 * K).fill(1));
    const u = gpu.tensor("u", [N, 2]);
    const keys = gpu.tensor("keys", [N], keysFor(N));
    const dropout = { rate: 0.25, tag: 8 };
    await gpu.run(
      (recorder) => loraU(recorder, profile, { x, u, a, keys }, { rows: "N", rank: 1, dropout }),
      {
        N,
        seed: SEED,
        step: STEP,
      },
    );
    const kept = (await gpu.read(u)).map((value) => Math.round(value * 0.75));
    const total = kept.reduce((sum, value) => sum + value, 0);
    const draws = 2 * N * K;
    // Three standard deviations of a binomial: 3 * sqrt(16384 * 0.25 * 0.75).
    expect(Math.abs(total - 0.75 * draws)).toBeLessThan(3 * Math.sqrt(draws * 0.25 * 0.75));
    const same = kept.filter((value, i) => i % 2 === 0 && value === kept[i + 1]).length;
    expect(same).toBeLessThan(N / 4);
  });
}
