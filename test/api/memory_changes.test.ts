import { describe, expect, it } from "vitest";
import { changesFor } from "../../src/api/memory_changes.ts";
import { choiceNote, choicesOf, overBudget } from "../../src/api/memory_choice.ts";
import type { Settings } from "../../src/config/fields.ts";
import { readSettings } from "../../src/config/read_settings.ts";
import { resolveOrThrow } from "../../src/config/resolve.ts";

function configOf(settings: Settings) {
  const named = { model_name: "m", dataset_name: "d", ...settings };
  return resolveOrThrow({ override: readSettings(named) }).config;
}

const changes = (settings: Settings) => changesFor(configOf(settings)).map(({ rungs }) => rungs[0]);
const ways = (settings: Settings) =>
  choicesOf(configOf(settings)).map(
    ({ backend, rematerialize }) => `${backend}${rematerialize ? " recomputed" : ""}`,
  );

describe("the ways to run a configuration", () => {
  it.each<[string, Settings, string[]]>([
    ["auto", { backend: "auto" }, ["trl", "trl recomputed", "unsloth recomputed"]],
    ["trl", { backend: "trl" }, ["trl", "trl recomputed"]],
    ["unsloth", { backend: "unsloth" }, ["unsloth recomputed"]],
    ["auto that keeps", { backend: "auto", gradient_checkpointing: false }, ["trl", "unsloth"]],
    ["trl that recomputes", { backend: "trl", gradient_checkpointing: true }, ["trl recomputed"]],
    // No base is frozen, or it is in four bits anyway: unsloth would be the same again.
    ["auto of all weights", { backend: "auto", peft_enabled: false }, ["trl", "trl recomputed"]],
    ["auto in four bits", { backend: "auto", load_in_4bit: true }, ["trl", "trl recomputed"]],
  ])("%s", (_, settings, expected) => {
    expect(ways(settings)).toEqual(expected);
  });

  it("are bounded by gpu_memory_gb, in GB of 10^9 bytes", () => {
    const config = configOf({ gpu_memory_gb: 1.5 });
    expect(overBudget(config, 1.5e9)).toBeUndefined();
    expect(overBudget(configOf({}), 1e15)).toBeUndefined();
    const refused = overBudget(config, 1.6e9);
    expect(refused?.message).toBe(
      "This run would take 1.6 GB of GPU memory, and gpu_memory_gb allows 1.5 GB.",
    );
    expect(choiceNote({ backend: "trl", rematerialize: true }, refused)[0]).toMatch(
      /^Recomputes .*1\.6 GB.*allows 1\.5 GB/,
    );
    expect(choiceNote({ backend: "trl", rematerialize: false }, undefined)).toEqual([]);
  });
});

describe("what makes a run smaller, the least harm first", () => {
  it("of SFT: fewer rows at once, recomputation, four bits, shorter rows, a smaller rank", () => {
    const settings: Settings = {
      gradient_checkpointing: false,
      batch_size: 8,
      lora_alpha: 32,
      lora_rank: 16,
    };
    expect(changes(settings)).toEqual([
      { forward_batch_size: 4, eval_batch_size: 4 },
      { gradient_checkpointing: true },
      { backend: "unsloth", load_in_4bit: true },
      { max_seq_length: 256 },
      { lora_rank: 8, lora_alpha: 16 },
    ]);
  });

  it("goes on in halves", () => {
    const [rows] = changesFor(configOf({ batch_size: 8, forward_batch_size: 6, eval_batch_size: 2 }));
    expect(rows?.rungs).toEqual([{ forward_batch_size: 3 }, { forward_batch_size: 1, eval_batch_size: 1 }]);
    expect(rows?.label({ forward_batch_size: 3 })).toBe("Rows on the GPU at once: 6 → 3");
  });

  it("leaves eval_batch_size alone where it has no effect", () => {
    const rewards = [{ type: "length" }];
    const [rows] = changesFor(configOf({ algorithm: "grpo", batch_size: 8, rewards }));
    expect(rows?.rungs[0]).toEqual({ forward_batch_size: 4 });
  });

  it("leaves out what memory decides, and what is so already", () => {
    const auto = changes({ backend: "auto", batch_size: 1 });
    expect(auto).toEqual([{ max_seq_length: 256 }, expect.objectContaining({ lora_rank: 8 })]);
    expect(changes({ backend: "unsloth", batch_size: 1 })).toEqual(auto);
    expect(changes({ peft_enabled: false, batch_size: 1 })).toEqual([{ max_seq_length: 256 }]);
    expect(changes({ adapter_name_or_path: "a", backend: "auto", batch_size: 1 })).toEqual([
      { max_seq_length: 256 },
    ]);
  });

  it("of GRPO: shorter answers leave prompts their room, and groups still divide the rollout", () => {
    const settings: Settings = { algorithm: "grpo", batch_size: 12, num_generations: 4, max_seq_length: 512 };
    const found = changes({ ...settings, max_completion_length: 256 });
    expect(found).toContainEqual({ max_completion_length: 128, max_seq_length: 384 });
    expect(found).toContainEqual({ batch_size: 6, num_generations: 3 });
  });

  it("keeps the scale of the adapter", () => {
    const of = (settings: Settings) => changes({ lora_rank: 16, lora_alpha: 32, ...settings }).at(-1);
    expect(of({})).toEqual({ lora_rank: 8, lora_alpha: 16 });
    expect(of({ use_rslora: true })).toEqual({ lora_rank: 8, lora_alpha: 23 });
  });

  it("is refused by no rule of a configuration", () => {
    for (const algorithm of ["sft", "dpo", "ppo", "grpo", "gspo", "dapo", "dr_grpo"] as const)
      for (const { rungs } of changesFor(configOf({ algorithm, gradient_checkpointing: false })))
        for (const change of rungs) expect(() => configOf({ algorithm, ...change })).not.toThrow();
  });
});
