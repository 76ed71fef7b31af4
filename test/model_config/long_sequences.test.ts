import { describe, expect, it } from "vitest";
import { firstPosition } from "../../src/model/batch_tables.ts";
import { readModelSpec } from "../../src/model/registry.ts";
import { longFrom, positionLimit } from "../../src/model/spec.ts";
import { makeSequences } from "../../src/rollout/sequences.ts";

const PHI3 = {
  model_type: "phi3",
  ...{ vocab_size: 61, hidden_size: 32, intermediate_size: 40, num_hidden_layers: 1, num_attention_heads: 4 },
  ...{ max_position_embeddings: 64, original_max_position_embeddings: 8 },
};
const longrope = {
  rope_scaling: { type: "su", short_factor: [1, 1, 1, 1], long_factor: [2, 2, 2, 2] },
};

describe("longrope", () => {
  it("has tables of its own from the original length on", () => {
    expect(longFrom(readModelSpec({ ...PHI3, ...longrope }))).toBe(8);
    expect(longFrom(readModelSpec(PHI3))).toBe(Infinity);
    expect([8, 9].map((tokens) => firstPosition(tokens, 8))).toEqual([0, 8]);
    expect(firstPosition(1e6, Infinity)).toBe(0);
  });

  it("refuses to generate across the length at which all keys would turn otherwise", () => {
    const limits = { vocab: 61, maxLength: 40, prefillTokens: 40, long: 8 };
    const make = (tokens: number, fresh: number) =>
      makeSequences([new Int32Array(tokens)], 1, fresh, limits, undefined).length;
    // The last new token is never computed with.
    expect(make(5, 4)).toBe(1);
    expect(make(9, 20)).toBe(1);
    expect(() => make(5, 5)).toThrow(expect.objectContaining({ code: "config-invalid" }));
    expect(() => make(8, 2)).toThrow(/within 8 tokens/);
  });
});

describe("positions that a model cannot be computed past", () => {
  it.each([
    [
      "learned ones",
      { model_type: "gpt2", vocab_size: 61, n_embd: 32, n_head: 4, n_layer: 1, n_positions: 48 },
      48,
    ],
    [
      "rotations that follow the length",
      { ...PHI3, model_type: "llama", rope_scaling: { type: "dynamic", factor: 2 } },
      64,
    ],
    ["none for other rotations", { ...PHI3, ...longrope }, Infinity],
  ])("%s", (_, config, limit) => {
    expect(positionLimit(readModelSpec(config))).toBe(limit);
  });
});
