import { expect, it } from "vitest";
import { headFinish } from "../../../src/kernels/head/head_finish.ts";
import { maxError, testGpu } from "../../gpu.ts";

const gpu = await testGpu();

it("head_finish reads the state as head_stats lays it out", async () => {
  // Row 0: logits 1, 2, 2, 0 with target 1: m = 2, E = 2 + e^-1 + e^-2, A = -e^-1 - 2 e^-2, S = 5,
  // Q = 2 + e^-2 + e^-4. Row 1 is unused.
  const E = 2 + Math.exp(-1) + Math.exp(-2);
  const A = -Math.exp(-1) - 2 * Math.exp(-2);
  const words = new Uint32Array(16);
  new Float32Array(words.buffer).set([2, E, A, 5, 2, 2]);
  words[6] = 1;
  const Q = 2 + Math.exp(-2) + Math.exp(-4);
  new Float32Array(words.buffer)[7] = Q;
  const args = {
    state: gpu.tensor("state", [2, 8], words),
    out: gpu.tensor("out", [2, 4]),
    argmax: gpu.tensor("argmax", [2]),
    logCollision: gpu.tensor("logCollision", [2]),
  };
  await gpu.run((recorder) => headFinish(recorder, args, { vocab: 4 }), { M: 1 });
  const lse = 2 + Math.log(E);
  const expected = [2 - lse, Math.log(E) - A / E, lse, 5 / 4 - lse, 0, 0, 0, 0];
  // A handful of f32 operations on numbers near 1.
  expect(maxError(await gpu.read(args.out), expected)).toBeLessThan(5e-7);
  expect([...(await gpu.readUints(args.argmax))]).toEqual([1, 0]);
  const collision = [Math.log(Q) - 2 * Math.log(E), 0];
  expect(maxError(await gpu.read(args.logCollision), collision)).toBeLessThan(5e-7);
});
