import { expect, it } from "vitest";
import { takeColumn } from "../../../src/kernels/elementwise/take_column.ts";
import { testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/elementwise.ts";

const gpu = await testGpu();
const [CAPACITY, C] = [133, 4] as const;
const x = uniforms(1, CAPACITY * C);

it.each([0, 3])("take_column copies column %i, and no more than M rows", async (column) => {
  const args = { x: gpu.tensor("x", [CAPACITY, C], x), y: gpu.tensor("y", [CAPACITY]) };
  await gpu.run((recorder) => takeColumn(recorder, args, column), { M: 129 });
  const y = [...(await gpu.read(args.y))];
  expect(y.slice(0, 129)).toEqual(reference.takeColumn(x, C, column).slice(0, 129));
  expect(y.slice(129)).toEqual([0, 0, 0, 0]);
});
