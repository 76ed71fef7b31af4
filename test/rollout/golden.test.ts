import { describe, expect, it } from "vitest";
import { planPrograms } from "../../src/gpu/program.ts";
import { Recorder } from "../../src/gpu/recorder.ts";
import { ZERO_STEP } from "../../src/gpu/step.ts";
import { type KernelProfile, profileFor } from "../../src/kernels/profile.ts";
import { BatchTables } from "../../src/model/batch_tables.ts";
import { uploadRope } from "../../src/model/context.ts";
import { recordLogits } from "../../src/model/logits.ts";
import { GREEDY } from "../../src/rollout/sampling.ts";
import { maxError, testDevice } from "../gpu.ts";
import {
  FURTHER,
  generateCase,
  type Loaded,
  loadGolden,
  MODELS,
  type ModelName,
  makeGenerator,
} from "./golden.ts";

const gpu = await testDevice();

/** log softmax(logits / temperature) of every row's tokens after its first, by the training forward. */
async function forwardLogps(
  { spec, weights, adapter }: Loaded,
  rows: readonly (readonly number[])[],
  temperature: number,
) {
  const profile = profileFor(gpu.capabilities);
  const N = rows.reduce((sum, row) => sum + row.length, 0);
  const capacity = { N, M: 1, R: rows.length };
  const tables = new BatchTables(gpu, capacity, { tile: profile.attentionTile, long: Infinity });
  const recorder = new Recorder("logits");
  const rope = uploadRope(gpu, spec, Math.max(...rows.map((row) => row.length)));
  const context = { recorder, profile, spec, weights, adapter, rope, capacity, tables: tables.tensors };
  const [part] = recordLogits({ ...context, gradOf: () => undefined, noisy: false });
  const [program] = await planPrograms(gpu, [recorder]);
  if (!part || !program) throw new Error("nothing was recorded");
  const batch = rows.map((ids, key) => ({ ids, key, targets: [], weights: [] }));
  program.execute({ ...ZERO_STEP, ...tables.fill(batch) });
  const logits = await gpu.readFloats(part.tensor);
  let start = 0;
  return rows.map((row) => {
    const first = start;
    start += row.length;
    const next = row.slice(1).map((id, t) => {
      const z = Array.from(logits.subarray((first + t) * spec.vocab, (first + t + 1) * spec.vocab));
      const top = Math.max(...z);
      const sum = z.reduce((total, value) => total + Math.exp((value - top) / temperature), 0);
      const logp = ((z[id] ?? Number.NaN) - top) / temperature - Math.log(sum);
      return { logp, argmax: z.indexOf(top) };
    });
    return { logps: next.map((token) => token.logp), argmax: next.map((token) => token.argmax) };
  });
}

/** Lengths beyond one attention tile and Gemma's window, and a prompt of a single token. */
const PROMPTS = [
  Int32Array.of(3),
  Int32Array.from({ length: 9 }, (_, i) => (7 * i + 1) % 61),
  Int32Array.from({ length: 20 }, (_, i) => (11 * i + 5) % 61),
];

/** One model by the kernels for GPUs on every adapter; they take CPU adapters seconds to compile. */
const PROFILE: Partial<Record<ModelName, { profile: KernelProfile }>> = {
  qwen3: { profile: profileFor({ kind: "gpu" }) },
};

it.each([...MODELS, ...FURTHER])("%s generates the golden tokens", async (name) => {
  const { params, prompts, expected } = await generateCase(name);
  const generator = await makeGenerator(gpu, await loadGolden(gpu, name), PROFILE[name]);
  const completions = await generator.generate({
    prompts,
    maxNewTokens: params.max_new_tokens,
    sampling: { ...GREEDY, repetition_penalty: params.repetition_penalty },
    stopIds: [],
  });
  expect(completions.map(({ ids }) => ids)).toEqual(expected);
});

describe.each(MODELS)("%s", (name) => {
  it("decodes what the training forward computes", async () => {
    const loaded = await loadGolden(gpu, name);
    const generator = await makeGenerator(gpu, loaded);
    const temperature = 0.7;
    const request = { prompts: PROMPTS, maxNewTokens: 22, stopIds: [] };
    const sampled = await generator.generate({ ...request, sampling: { ...GREEDY, temperature, seed: 5 } });
    const greedy = await generator.generate({ ...request, sampling: GREEDY });

    const rowsOf = (completions: typeof sampled) =>
      completions.map(({ ids }, i) => [...(PROMPTS[i] ?? []), ...ids]);
    const newOf = <T>(lists: readonly (readonly T[])[]) =>
      lists.flatMap((list, i) => list.slice((PROMPTS[i]?.length ?? 0) - 1));
    const plain = await forwardLogps(loaded, rowsOf(sampled), 1);
    const cooled = await forwardLogps(loaded, rowsOf(sampled), temperature);
    const best = await forwardLogps(loaded, rowsOf(greedy), 1);
    // The same sums as in training, but attention and head by other kernels: f32 rounding of logits of size 10.
    const logps = sampled.flatMap((completion) => completion.logps);
    expect(maxError(logps, newOf(plain.map((row) => row.logps)))).toBeLessThan(2e-5);
    const sampledLogps = sampled.flatMap((completion) => completion.sampledLogps);
    expect(maxError(sampledLogps, newOf(cooled.map((row) => row.logps)))).toBeLessThan(2e-5);
    expect(greedy.flatMap(({ ids }) => ids)).toEqual(newOf(best.map((row) => row.argmax)));
  });
});
