import { describe, expect, it } from "vitest";
import { embeddingBackward } from "../../../src/kernels/embedding/embedding_backward.ts";
import { embeddingTables } from "../../../src/kernels/embedding/tables.ts";
import { profileFor } from "../../../src/kernels/profile.ts";
import { Random } from "../../../src/lib/random.ts";
import { maxError, testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/embedding.ts";

const gpu = await testGpu();

/** C is no multiple of 64; some ids have many tokens, most have none. */
const [CAPACITY, N, V, C] = [73, 67, 19, 83] as const;
const random = new Random(1);
const ids = Uint32Array.from({ length: N }, (_, n) => (n % 3 === 0 ? 18 : random.integer(V)));
const dx = uniforms(1, CAPACITY * C);
const before = uniforms(2, V * C);
const SCALE = 1.3;

/** dw of one shard: rows [firstRow, to). */
async function run(
  kind: "cpu" | "gpu",
  count: "U" | "spare",
  firstRow: number,
  to: number,
): Promise<Float32Array> {
  const tables = embeddingTables(ids);
  const room = (label: string, values: Uint32Array, size: number) => {
    const padded = new Uint32Array(size).fill(1);
    padded.set(values);
    return gpu.tensor(label, [size], padded);
  };
  const args = {
    dx: gpu.tensor("dx", [CAPACITY, C], dx),
    dw: gpu.tensor("dw", [to - firstRow, C], before.slice(firstRow * C, to * C)),
    unique: room("unique", tables.unique, CAPACITY),
    starts: room("starts", tables.starts, CAPACITY + 1),
    order: room("order", tables.order, CAPACITY),
  };
  await gpu.run(
    (recorder) =>
      embeddingBackward(recorder, profileFor({ kind }), args, {
        scale: SCALE,
        firstRow,
        rows: to - firstRow,
        count,
      }),
    { N, [count]: tables.unique.length },
  );
  return gpu.read(args.dw);
}

describe("embedding_backward", () => {
  const cases = (["cpu", "gpu"] as const).flatMap((kind) =>
    (["U", "spare"] as const).flatMap((count) =>
      [
        [0, V],
        [0, 7],
        [7, V],
        [17, 18],
      ].map((range) => ({ kind, count, range })),
    ),
  );
  it.each(cases)("adds what the oracle says, %o", async ({ kind, count, range: [from = 0, to = V] }) => {
    const actual = await run(kind, count, from, to);
    const sums = reference.embeddingBackward(dx, ids, V, C, SCALE);
    const expected = Array.from(sums, (value, i) => value + (before[i] as number));
    // Sums of at most 30 numbers below 1 in f32.
    expect(maxError(actual, expected.slice(from * C, to * C))).toBeLessThan(3e-6);
  });
});
