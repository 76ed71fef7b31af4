import { expect, it } from "vitest";
import { testGpu } from "../gpu.ts";

const { gpu, tensor } = await testGpu();

it("reads what is larger than a slice in slices, with no more memory than one", async () => {
  // 4 MiB are a slice.
  const count = (4 * 2 ** 20) / 4 + 5;
  const values = new Uint32Array(count);
  for (let i = 0; i < count; i++) values[i] = i;
  const large = tensor("large", [count], values);
  const before = gpu.counts.bytes;
  const found = new Uint32Array(await gpu.read(large));
  expect(found.every((value, i) => value === i)).toBe(true);
  expect(found).toHaveLength(count);
  expect(gpu.counts.bytes).toBe(before);
  expect(gpu.counts.peakBytes - before).toBe(4 * 2 ** 20);
  const odd = new Uint8Array(await gpu.read(large, 7, 4 * (count - 2)));
  expect([...odd]).toEqual([...new Uint8Array(values.slice(-2).buffer, 0, 7)]);
});
