import { describe, expect, it } from "vitest";
import { headDlogits } from "../../../src/kernels/head/head_dlogits.ts";
import { maxError, relativeError, testGpu, uniforms } from "../../gpu.ts";
import { type HeadOptions, headBackward, headForward } from "../../reference/head.ts";

const gpu = await testGpu();

/** The vocabulary is no multiple of the chunk; the capacity is larger than the rows in use. */
const [CAPACITY, M, V, STRIDE] = [7, 5, 331, 130] as const;
const targets = [0, 129, 130, 330, 77, 3, 3];
const noise = uniforms(7, CAPACITY * V, -4, 4);
const rows = [0, 80, -80, 0, 0, 0, 0].map((shift, m) =>
  noise.slice(m * V, (m + 1) * V).map((v) => Math.fround(m === 3 ? 20 * v : v + shift)),
);
const upstream = uniforms(8, CAPACITY * 3);
const cases: HeadOptions[] = [
  { softcap: 0, temperature: 1 },
  { softcap: 0, temperature: 0.7 },
  { softcap: 30, temperature: 1.3 },
];

function upstreamOf(m: number): [number, number, number] {
  return upstream.slice(3 * m, 3 * m + 3) as [number, number, number];
}

async function run(options: HeadOptions, input: readonly (readonly number[])[]) {
  const out = input.flatMap((row, m) => {
    const { logp, entropy, lse, meanLogp } = headForward(row, targets[m] as number, options);
    return [logp, entropy, lse, meanLogp];
  });
  const args = {
    out: gpu.tensor("out", [CAPACITY, 4], out),
    targets: gpu.tensor("targets", [CAPACITY], new Uint32Array(targets)),
    upstream: gpu.tensor("upstream", [CAPACITY, 3], upstream),
  };
  const chunks = [0, 1, 2].map((i) => {
    const columns = Math.min(STRIDE, V - i * STRIDE);
    const values = input.flatMap((row) => [
      ...row.slice(i * STRIDE, i * STRIDE + columns),
      ...new Array<number>(STRIDE - columns).fill(7),
    ]);
    return { columns, firstColumn: i * STRIDE, z: gpu.tensor("z", [CAPACITY, STRIDE], values), values };
  });
  await gpu.run(
    (recorder) => {
      for (const { columns, firstColumn, z } of chunks) {
        headDlogits(recorder, { ...args, z }, { columns, firstColumn, stride: STRIDE, vocab: V, ...options });
      }
    },
    { M },
  );
  return Promise.all(chunks.map(async (chunk) => ({ ...chunk, dz: [...(await gpu.read(chunk.z))] })));
}

describe("head_dlogits", () => {
  it.each(cases)("matches the dense oracle, %o", async (options) => {
    for (const { columns, firstColumn, dz, values } of await run(options, rows)) {
      for (let m = 0; m < M; m++) {
        const actual = dz.slice(m * STRIDE, m * STRIDE + columns);
        const expected = headBackward(rows[m] as number[], targets[m] as number, upstreamOf(m), options);
        // lse is rounded at size 80 (4e-6), and so is p, in proportion; p is below 1.
        expect(maxError(actual, expected.slice(firstColumn, firstColumn + columns))).toBeLessThan(5e-6);
        const beyond = [m * STRIDE + columns, (m + 1) * STRIDE] as const;
        expect(dz.slice(...beyond)).toEqual(values.slice(...beyond));
      }
      expect(dz.slice(M * STRIDE)).toEqual(values.slice(M * STRIDE));
    }
  });

  it.each(cases)("has an oracle that differences confirm, %o", (options) => {
    const row = noise.slice(0, 23);
    const d = upstreamOf(1);
    const loss = (at: readonly number[]) => {
      const { logp, entropy, meanLogp } = headForward(at, 4, options);
      return d[0] * logp + d[1] * entropy + d[2] * meanLogp;
    };
    const numeric = row.map((v, i) => (loss(row.with(i, v + 1e-5)) - loss(row.with(i, v - 1e-5))) / 2e-5);
    // Central differences with step 1e-5 in f64.
    expect(relativeError(headBackward(row, 4, d, options), numeric)).toBeLessThan(1e-8);
  });

  it.each([0, 30])("shows a NaN in its row and in no other, softcap %i", async (softcap) => {
    const [chunk] = await run(
      { softcap, temperature: 1 },
      rows.map((row, m) => (m === 1 ? row.with(5, Number.NaN) : row)),
    );
    const wrong = chunk?.dz.map((v, i) => (Number.isNaN(v) ? Math.floor(i / STRIDE) : -1)) ?? [];
    expect(wrong.filter((row) => row >= 0)).toEqual(new Array(STRIDE).fill(1));
  });
});
