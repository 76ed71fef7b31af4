import { expect, it } from "vitest";
import { scatterRows } from "../../../src/kernels/elementwise/scatter_rows.ts";
import { testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/elementwise.ts";

const gpu = await testGpu();
const [CAPACITY, N, C] = [9, 7, 83] as const;
const NONE = 0xffffffff;
const dy = uniforms(1, 4 * C);
const inverse = [1, NONE, 3, 2, NONE, 0, NONE];

it("scatter_rows puts rows back and writes zero elsewhere, over whatever was there", async () => {
  const args = {
    dy: gpu.tensor("dy", [4, C], dy),
    dx: gpu.tensor("dx", [CAPACITY, C], new Array(CAPACITY * C).fill(Number.NaN)),
    inverse: gpu.tensor("inverse", [CAPACITY], new Uint32Array([...inverse, NONE, NONE])),
  };
  await gpu.run((recorder) => scatterRows(recorder, args), { N, M: 4 });
  const dx = [...(await gpu.read(args.dx))];
  expect(dx.slice(0, N * C)).toEqual(reference.scatterRows(dy, inverse, C));
  expect(dx.slice(N * C).every(Number.isNaN)).toBe(true);
});
