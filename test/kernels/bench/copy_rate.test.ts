import { expect, it } from "vitest";
import { copyRate } from "../../../src/kernels/bench/copy_rate.ts";
import { testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/bench.ts";

const gpu = await testGpu();

it("copy_rate copies every element", async () => {
  const values = uniforms(1, 4 * 67);
  const x = gpu.tensor("x", [67, 4], values);
  const y = gpu.tensor("y", [67, 4]);
  await gpu.run((recorder) => copyRate(recorder, { x, y }));
  expect([...(await gpu.read(y))]).toEqual(reference.copyRate(values));
});
