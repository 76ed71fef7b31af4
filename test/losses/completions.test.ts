import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { completionMetrics, isTruncated } from "../../src/losses/completion_metrics.ts";
import { overlongPenalty } from "../../src/losses/overlong.ts";

const folder = new URL("../golden/trl/", import.meta.url);
const runs = readdirSync(folder).filter((name) => name.startsWith("rl-"));

describe.each(runs)("%s: completions/* as trl 1.13 logged them", (name) => {
  const text = (file: string) => readFileSync(new URL(`${name}/${file}`, folder), "utf8");
  const config = parse(text("config.yaml")) as { batch_size: number; steps_per_generation: number };
  const completions = text("rollouts.jsonl")
    .trimEnd()
    .split("\n")
    .map((line) => (JSON.parse(line) as { completion_ids: number[] }).completion_ids)
    .map((ids) => ({ length: ids.length, truncated: isTruncated(ids, { stopIds: [2], padId: 0 }) }));
  const { steps } = JSON.parse(text("expected.json")) as { steps: Record<string, number>[] };
  const logged = steps.filter((step) => "completions/mean_length" in step);
  const size = config.batch_size * config.steps_per_generation;

  it.each(logged.map((_, i) => i))("rollout %i", (i) => {
    const ours = completionMetrics(completions.slice(i * size, (i + 1) * size));
    for (const [key, value] of Object.entries(ours)) {
      expect(value, key).toBeCloseTo(logged[i]?.[key] ?? Number.NaN, 5);
    }
  });
});

describe("completions", () => {
  it("are cut when their last token neither ends an answer nor pads", () => {
    const tokens = { stopIds: [2, 7], padId: 0 };
    expect(isTruncated([5, 2], tokens)).toBe(false);
    expect(isTruncated([5, 7], tokens)).toBe(false);
    expect(isTruncated([5, 2, 0], tokens)).toBe(false);
    expect(isTruncated([2, 5], tokens)).toBe(true);
    expect(isTruncated(Uint32Array.of(5), tokens)).toBe(true);
    expect(isTruncated([], tokens)).toBe(true);
  });

  it("none of which ended have no terminated length", () => {
    expect(completionMetrics([{ length: 4, truncated: true }])).toEqual({
      "completions/mean_length": 4,
      "completions/min_length": 4,
      "completions/max_length": 4,
      "completions/mean_terminated_length": 0,
      "completions/min_terminated_length": 0,
      "completions/max_terminated_length": 0,
      "completions/clipped_ratio": 1,
    });
  });
});

describe("the soft overlong punishment", () => {
  const limit = { maxCompletionLength: 100, buffer: 20 };

  it.each([
    [0, 0],
    [80, 0],
    [81, -0.05],
    [90, -0.5],
    [100, -1],
    [101, -1],
  ])("%i tokens: %f", (length, penalty) => {
    expect(overlongPenalty(length, limit)).toBe(penalty);
  });

  it("over the whole length, when the buffer is the limit", () => {
    expect(overlongPenalty(25, { maxCompletionLength: 100, buffer: 100 })).toBe(-0.25);
  });
});
