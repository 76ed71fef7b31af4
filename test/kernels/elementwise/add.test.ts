import { expect, it } from "vitest";
import { addTensors } from "../../../src/kernels/elementwise/add.ts";
import { testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/elementwise.ts";

const gpu = await testGpu();
const [CAPACITY, N, C] = [9, 7, 83] as const;
const a = uniforms(1, CAPACITY * C);
const b = uniforms(2, CAPACITY * C);

it("add is one rounded sum an element, for the rows in use, and shows a NaN", async () => {
  const args = {
    a: gpu.tensor("a", [CAPACITY, C], a.with(5, Number.NaN)),
    b: gpu.tensor("b", [CAPACITY, C], b),
    y: gpu.tensor("y", [CAPACITY, C]),
  };
  await gpu.run((recorder) => addTensors(recorder, args), { N });
  const y = [...(await gpu.read(args.y))];
  expect(y.slice(0, N * C)).toEqual(
    reference
      .add(a, b)
      .with(5, Number.NaN)
      .slice(0, N * C),
  );
  expect(y.slice(N * C).every((value) => value === 0)).toBe(true);
});
