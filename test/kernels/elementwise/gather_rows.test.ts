import { expect, it } from "vitest";
import { gatherRows } from "../../../src/kernels/elementwise/gather_rows.ts";
import { testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/elementwise.ts";

const gpu = await testGpu();
const [CAPACITY, C] = [9, 83] as const;
const x = uniforms(1, CAPACITY * C);
const index = [8, 0, 3, 4];

it("gather_rows copies the rows of the index, and no more than M", async () => {
  const args = {
    x: gpu.tensor("x", [CAPACITY, C], x),
    y: gpu.tensor("y", [6, C]),
    index: gpu.tensor("index", [6], new Uint32Array([...index, 1, 1])),
  };
  await gpu.run((recorder) => gatherRows(recorder, args), { N: CAPACITY, M: 4 });
  const y = [...(await gpu.read(args.y))];
  expect(y.slice(0, 4 * C)).toEqual(reference.gatherRows(x, index, C));
  expect(y.slice(4 * C).every((value) => value === 0)).toBe(true);
});
