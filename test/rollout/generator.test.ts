import { describe, expect, it } from "vitest";
import { openGpu } from "../../src/gpu/device.ts";
import { sequencesThatFit } from "../../src/rollout/kv_cache.ts";
import { GREEDY } from "../../src/rollout/sampling.ts";
import { testDevice } from "../gpu.ts";
import { generateCase, loadGolden, makeGenerator } from "./golden.ts";

const gpu = await testDevice();
const loaded = await loadGolden(gpu, "qwen3");
const generator = await makeGenerator(gpu, loaded, { withBase: true });

/** Everything at once: penalty, temperature and all filters. */
const SAMPLING = { temperature: 1.3, top_k: 40, top_p: 0.97, min_p: 0.01, repetition_penalty: 1.2, seed: 11 };

const PROMPTS = [4, 1, 17, 9, 2].map((length, i) =>
  Uint32Array.from({ length }, (_, t) => (13 * i + 5 * t + 2) % 60),
);
const NEW = 21;
const request = { prompts: PROMPTS, maxNewTokens: NEW, sampling: SAMPLING, stopIds: [] };
const together = await generator.generate(request);

describe("the same request gives the same bits", () => {
  it("again", async () => {
    expect(await generator.generate(request)).toEqual(together);
  });

  it("one prompt at a time", async () => {
    const alone: typeof together = [];
    for (const [i, prompt] of PROMPTS.entries()) {
      alone.push(...(await generator.generate({ ...request, prompts: [prompt], keys: [i] })));
    }
    expect(alone).toEqual(together);
  });

  it("in the opposite order", async () => {
    const keys = PROMPTS.map((_, i) => i).reverse();
    const reversed = await generator.generate({ ...request, prompts: PROMPTS.toReversed(), keys });
    expect(reversed.reverse()).toEqual(together);
  });

  it("in batches of two, with a prefill for almost every prompt", async () => {
    const small = await makeGenerator(gpu, loaded, { maxSequences: 2, maxPromptTokens: 16 });
    expect(small.rows).toBe(2);
    expect(await small.generate(request)).toEqual(together);
  });

  it("and other seeds and keys give other tokens", async () => {
    const ids = together.map((completion) => completion.ids);
    const seeded = await generator.generate({ ...request, sampling: { ...SAMPLING, seed: 12 } });
    expect(seeded.map((completion) => completion.ids)).not.toEqual(ids);
    const keyed = await generator.generate({ ...request, keys: [5, 6, 7, 8, 9] });
    expect(keyed.map((completion) => completion.ids)).not.toEqual(ids);
  });
});

describe("samplesPerPrompt", () => {
  it("equals as many prompts", async () => {
    const prompts = PROMPTS.toReversed();
    const shared = await generator.generate({ ...request, prompts, samplesPerPrompt: 3 });
    const repeated = prompts.flatMap((prompt) => [prompt, prompt, prompt]);
    // Fifteen sequences in eight rows: the samples of the third prompt fall into both batches.
    const apart = await makeGenerator(gpu, loaded, { maxSequences: 1 });
    expect(shared).toEqual(await apart.generate({ ...request, prompts: repeated }));
    const [first, second] = shared;
    expect(first?.ids).not.toEqual(second?.ids);
  });
});

describe("the end", () => {
  it("a stop id ends its sequence only, and is its last token", async () => {
    const stopIds = [2, 9, 14].map((at, i) => together[i]?.ids[at] ?? -1);
    const stopped = await generator.generate({ ...request, stopIds });
    together.forEach(({ ids, logps, sampledLogps }, i) => {
      const end = ids.findIndex((id) => stopIds.includes(id)) + 1 || NEW;
      expect(stopped[i]).toEqual({
        ids: ids.slice(0, end),
        logps: logps.slice(0, end),
        sampledLogps: sampledLogps.slice(0, end),
        stopped: stopIds.includes(ids[end - 1] ?? -1) ? "end" : "length",
      });
    });
    // Otherwise nothing has been retired early.
    expect(new Set(stopped.map((completion) => completion.ids.length)).size).toBeGreaterThan(2);
  });

  it.each([1, 3, 4, 5, 13])("a limit of %i tokens", async (maxNewTokens) => {
    const limited = await generator.generate({ ...request, maxNewTokens });
    expect(limited.map(({ ids }) => ids)).toEqual(together.map(({ ids }) => ids.slice(0, maxNewTokens)));
    expect(limited.every(({ stopped }) => stopped === "length")).toBe(true);
  });

  it("onTokens tells every token once, in order", async () => {
    const told = PROMPTS.map((): number[] => []);
    const onTokens = (sequence: number, ids: readonly number[]) => told[sequence]?.push(...ids);
    const completions = await generator.generate({ ...request, onTokens });
    expect(told).toEqual(completions.map(({ ids }) => ids));
  });

  it("a cancelled request keeps what it has, and the generator goes on", async () => {
    const abort = new AbortController();
    const cut = await generator.generate({
      ...request,
      signal: abort.signal,
      onTokens: () => abort.abort(),
    });
    cut.forEach(({ ids, stopped }, i) => {
      expect(stopped).toBe("cancelled");
      expect(ids.length).toBeGreaterThan(0);
      expect(ids.length).toBeLessThan(NEW);
      expect(ids).toEqual(together[i]?.ids.slice(0, ids.length));
    });
    const none = await generator.generate({ ...request, signal: abort.signal });
    expect(none.every(({ ids, stopped }) => ids.length === 0 && stopped === "cancelled")).toBe(true);
    expect(await generator.generate(request)).toEqual(together);
  });

  it("an error in onTokens leaves the generator usable", async () => {
    const onTokens = () => {
      throw new Error("the listener broke");
    };
    await expect(generator.generate({ ...request, onTokens })).rejects.toThrow("the listener broke");
    expect(await generator.generate(request)).toEqual(together);
  });
});

it("base leaves the adapter out", async () => {
  const plain = await makeGenerator(gpu, { ...loaded, adapter: undefined });
  const base = await generator.generate({ ...request, base: true });
  expect(base).toEqual(await plain.generate(request));
  expect(base).not.toEqual(together);
});

it("allocates nothing for a request", async () => {
  const { buffers, bytes, bindGroups } = gpu.counts;
  await generator.generate({ ...request, samplesPerPrompt: 3 });
  expect(gpu.counts).toMatchObject({ buffers, bytes, bindGroups });
});

describe("what cannot be is refused in words", () => {
  const asked = (change: object) => generator.generate({ ...request, ...change });

  it.each([
    ["an empty prompt", { prompts: [new Int32Array(0)] }, "Prompt 1 is empty"],
    ["a prompt that is too long", { prompts: [new Int32Array(40)] }, "has 40 tokens; with 21 new ones"],
    ["an unknown id", { prompts: [Int32Array.of(1, 5000)] }, "Prompt 1 holds the id 5000"],
    ["a temperature", { sampling: { ...GREEDY, temperature: -1 } }, "temperature must be"],
    ["a top_p", { sampling: { ...GREEDY, top_p: 0 } }, "top_p must be above 0"],
  ])("%s", async (_, change, text) => {
    await expect(asked(change)).rejects.toMatchObject({ code: "config-invalid" });
    await expect(asked(change)).rejects.toThrow(text);
  });

  it("more positions than a learned table has", async () => {
    const gpt2 = await loadGolden(gpu, "gpt2");
    const refused = makeGenerator(gpu, gpt2, { maxLength: gpt2.spec.maxPositions + 2 });
    await expect(refused).rejects.toMatchObject({ code: "config-invalid" });
  });
});

describe("limits of the GPU", () => {
  it("fewer sequences where a binding holds no more", async () => {
    const { limits } = gpu.capabilities;
    const { spec } = loaded;
    const slot = 4 * 48 * spec.kvHeads * spec.headDim;
    const row = Math.max(slot, 4 * spec.vocab);
    const small = (bytes: number) => ({ limits: { ...limits, maxStorageBufferBindingSize: bytes } });
    expect(sequencesThatFit(small(3 * row + 1), spec, 8, 48)).toBe(3);
    expect(sequencesThatFit(small(100 * row), spec, 8, 48)).toBe(8);
    expect(() => sequencesThatFit(small(row - 1), spec, 8, 48)).toThrow("Use a shorter maximum length");
  });

  it("a vocabulary in several shards gives the golden tokens", async () => {
    const limited = await openGpu({ limits: { maxStorageBufferBindingSize: 8192 } });
    const model = await loadGolden(limited, "gemma3");
    expect(model.weights.head.length).toBeGreaterThan(1);
    const { params, prompts, expected } = await generateCase("gemma3");
    const sharded = await makeGenerator(limited, model, { maxPromptTokens: 16, maxLength: 32 });
    const completions = await sharded.generate({
      prompts,
      maxNewTokens: params.max_new_tokens,
      sampling: { ...GREEDY, repetition_penalty: params.repetition_penalty },
      stopIds: [],
    });
    expect(completions.map(({ ids }) => ids)).toEqual(expected);
    limited.close();
  });
});
