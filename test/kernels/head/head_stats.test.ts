import { describe, expect, it } from "vitest";
import { headFinish } from "../../../src/kernels/head/head_finish.ts";
import { headStats } from "../../../src/kernels/head/head_stats.ts";
import { maxError, testGpu, uniforms } from "../../gpu.ts";
import { type HeadOptions, headForward } from "../../reference/head.ts";

const gpu = await testGpu();

/** The vocabulary is no multiple of the chunk, nor the chunk of 64; the capacity is larger than the rows in use. */
const [CAPACITY, M, V, STRIDE] = [21, 19, 331, 130] as const;
const PLAIN: HeadOptions = { softcap: 0, temperature: 1 };
const targets = repeated([0, 129, 130, 330, 77, 3, 3]);

/** For every row, also past the sixteen that share a workgroup. */
function repeated(values: readonly number[]): number[] {
  return Array.from({ length: CAPACITY }, (_, m) => values[m % values.length] ?? 0);
}

/** Logits of every size: rows at 80, at -80, spread over 160, flat but for one, and ordinary ones. */
function logits(): number[][] {
  const noise = uniforms(7, CAPACITY * V, -4, 4);
  const shifts = repeated([0, 80, -80, 0, 0, 0, 0]);
  return shifts.map((shift, m) =>
    noise.slice(m * V, (m + 1) * V).map((v) => Math.fround(m % 7 === 3 ? 20 * v : v + shift)),
  );
}

async function run(
  rows: readonly (readonly number[])[],
  threads: number,
  options: HeadOptions,
  stride: number = STRIDE,
  count: number = M,
) {
  const state = gpu.tensor("state", [CAPACITY, 8]);
  const out = gpu.tensor("out", [CAPACITY, 4]);
  const argmax = gpu.tensor("argmax", [CAPACITY]);
  const logCollision = gpu.tensor("logCollision", [CAPACITY]);
  const table = gpu.tensor("targets", [CAPACITY], new Uint32Array(targets));
  const chunks = Array.from({ length: Math.ceil(V / stride) }, (_, i) => {
    const columns = Math.min(stride, V - i * stride);
    // What lies beyond the valid columns must not matter.
    const values = rows.flatMap((row) => [
      ...row.slice(i * stride, i * stride + columns),
      ...new Array<number>(stride - columns).fill(1e9),
    ]);
    return { columns, firstColumn: i * stride, z: gpu.tensor("z", [CAPACITY, stride], values) };
  });
  await gpu.run(
    (recorder) => {
      chunks.forEach(({ columns, firstColumn, z }, i) => {
        headStats(
          recorder,
          { z, state, targets: table },
          { columns, firstColumn, stride, first: i === 0, threads, ...options },
        );
      });
      headFinish(recorder, { state, out, argmax, logCollision }, { vocab: V });
    },
    { M: count },
  );
  return {
    out: await gpu.read(out),
    argmax: await gpu.readUints(argmax),
    logCollision: await gpu.read(logCollision),
  };
}

describe.each([64, 1])("head_stats, %i threads", (threads) => {
  const cases = [PLAIN, { softcap: 0, temperature: 0.7 }, { softcap: 30, temperature: 1.3 }];
  it.each(cases)("matches the dense oracle, %o", async (options) => {
    const rows = logits();
    const actual = await run(rows, threads, options);
    const expected = rows.slice(0, M).map((row, m) => headForward(row, targets[m] as number, options));
    // Logits of size 80 have a rounding of 4e-6; divided by the temperature, by 1 + |expected|, it stays under 5e-6.
    const flat = expected.flatMap(({ logp, entropy, lse, meanLogp }) => [logp, entropy, lse, meanLogp]);
    expect(maxError(actual.out.slice(0, 4 * M), flat)).toBeLessThan(5e-6);
    expect([...actual.argmax.slice(0, M)]).toEqual(expected.map(({ argmax }) => argmax));
    const collisions = expected.map(({ logCollision }) => logCollision);
    expect(maxError(actual.logCollision.slice(0, M), collisions)).toBeLessThan(1e-5); // twice the exponents
    expect([...actual.out.slice(4 * M)].every((value) => value === 0)).toBe(true);
  });

  it("does not depend on the size of the chunks, but for rounding", async () => {
    const rows = logits();
    const small = await run(rows, threads, PLAIN, 17);
    const whole = await run(rows, threads, PLAIN, V);
    expect(maxError(small.out, whole.out)).toBeLessThan(5e-6);
    expect(maxError(small.logCollision, whole.logCollision)).toBeLessThan(1e-5);
    expect([...small.argmax]).toEqual([...whole.argmax]);
  });

  it.each([
    [7, 100],
    [100, 7],
    [200, 7],
    [60, 124],
    [330, 131],
  ])("takes the lowest index of equals, %i and %i", async (first, second) => {
    const rows = logits().map((row) => row.with(first, 200).with(second, 200));
    const { argmax } = await run(rows, threads, PLAIN);
    expect([...argmax.slice(0, M)]).toEqual(new Array(M).fill(Math.min(first, second)));
  });

  it("gives a row the same bits whatever the number of rows", async () => {
    const rows = logits();
    const all = await run(rows, threads, PLAIN, STRIDE, CAPACITY);
    const one = await run(rows, threads, PLAIN, STRIDE, 1);
    expect([...one.out.slice(0, 4)]).toEqual([...all.out.slice(0, 4)]);
  });

  it.each([
    [5, 0],
    [5, 30],
    [140, 0],
    [140, 30],
  ])("shows a NaN at column %i, in its row only, softcap %i", async (column, softcap) => {
    const rows = logits().map((row, m) => (m === 1 ? row.with(column, Number.NaN) : row));
    const { out, logCollision } = await run(rows, threads, { softcap, temperature: 1 });
    expect([...out.slice(4, 8)].every(Number.isNaN)).toBe(true);
    expect(logCollision[1]).toBeNaN();
    expect([...out.slice(0, 4), ...out.slice(8)].some(Number.isNaN)).toBe(false);
  });
});
