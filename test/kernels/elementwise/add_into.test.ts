import { expect, it } from "vitest";
import { addInto } from "../../../src/kernels/elementwise/add_into.ts";
import { testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/elementwise.ts";

const gpu = await testGpu();
const [CAPACITY, N, C] = [9, 7, 83] as const;
const d = uniforms(1, CAPACITY * C);
const before = uniforms(2, CAPACITY * C);

it("add_into is one rounded sum an element, for the rows in use, and shows a NaN", async () => {
  const args = {
    d: gpu.tensor("d", [CAPACITY, C], d.with(5, Number.NaN)),
    dx: gpu.tensor("dx", [CAPACITY, C], before),
  };
  await gpu.run((recorder) => addInto(recorder, args), { N });
  const dx = [...(await gpu.read(args.dx))];
  expect(dx.slice(0, N * C)).toEqual(
    reference
      .add(d, before)
      .with(5, Number.NaN)
      .slice(0, N * C),
  );
  expect(dx.slice(N * C)).toEqual(before.slice(N * C));
});
