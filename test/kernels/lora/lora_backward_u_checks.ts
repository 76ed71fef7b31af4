import { expect, it } from "vitest";
import { loraBackwardU } from "../../../src/kernels/lora/lora_backward_u.ts";
import type { LoraRows } from "../../../src/kernels/lora/params.ts";
import type { KernelProfile } from "../../../src/kernels/profile.ts";
import { relativeError, testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/lora.ts";
import { CASES, type LoraCase } from "./cases.ts";

const gpu = await testGpu();
const SCALE = 1.7;

function data({ capacity, ldy, rowsB, shape }: LoraCase) {
  return { dy: uniforms(1, capacity * ldy), b: uniforms(2, rowsB * shape.rank) };
}

interface Options {
  readonly rows?: LoraRows;
  readonly N?: number;
  readonly dy?: readonly number[];
  readonly segments?: LoraCase["segments"];
}

async function run(profile: KernelProfile, test: LoraCase, options: Options = {}): Promise<Float32Array> {
  const { capacity, shape, ldy, rowsB } = test;
  const values = data(test);
  const args = {
    dy: gpu.tensor("dy", [capacity, ldy], options.dy ?? values.dy),
    du: gpu.tensor("du", [capacity, shape.ru], new Float32Array(capacity * shape.ru).fill(7)),
    b: gpu.tensor("b", [rowsB, shape.rank], values.b),
  };
  const rows = options.rows ?? "N";
  const segments = options.segments ?? test.segments;
  await gpu.run(
    (recorder) => loraBackwardU(recorder, profile, args, { rank: shape.rank, scale: SCALE, segments, rows }),
    { [rows]: options.N ?? shape.N },
  );
  return gpu.read(args.du);
}

/** The tests of one variant of lora_backward_u. */
export function checkLoraBackwardU(profile: KernelProfile): void {
  const runs = CASES.flatMap((test) =>
    (["N", "M", "R"] as const).map((rows) => ({ rows, test, title: test.name })),
  );
  it.each(runs)("matches the oracle: $title, rows $rows", async ({ test, rows }) => {
    const { shape, ldy, segments } = test;
    const actual = await run(profile, test, { rows });
    const { dy, b } = data(test);
    const expected = reference.loraBackwardU(dy, b, shape, ldy, SCALE, segments);
    const used = shape.N * shape.ru;
    // Sums of at most 67 products of numbers below 1 in f32.
    expect(relativeError(actual.slice(0, used), expected)).toBeLessThan(2e-6);
    expect([...actual.slice(used)].every((value) => value === 7)).toBe(true);
  });

  it.each(CASES)("gives a row the same bits whatever the rows around it: $name", async (test) => {
    const { shape, ldy } = test;
    const all = await run(profile, test);
    const one = await run(profile, test, { N: 1 });
    expect([...one.slice(0, shape.ru)]).toEqual([...all.slice(0, shape.ru)]);
    const dy = data(test).dy.map((value, i) => (i < ldy ? value : 9));
    const others = await run(profile, test, { dy });
    expect([...others.slice(0, shape.ru)]).toEqual([...all.slice(0, shape.ru)]);
  });

  it.each(CASES.filter(({ segments }) => segments.length > 1))(
    "leaves the columns of du that no segment owns alone: $name",
    async (test) => {
      const { rank, ru } = test.shape;
      const last = test.segments.slice(-1);
      const [all, partial] = [await run(profile, test), await run(profile, test, { segments: last })];
      const expected = all.map((value, i) => (i % ru >= ru - rank ? value : 7));
      expect([...partial]).toEqual([...expected]);
    },
  );
}
