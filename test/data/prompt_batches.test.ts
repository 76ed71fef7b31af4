import { describe, expect, it } from "vitest";
import type { DataCursor } from "../../src/data/batches.ts";
import { nextPrompts, type PromptStreamOptions, rolloutsOfRun } from "../../src/data/prompt_batches.ts";

const options: PromptStreamOptions = { rows: 7, promptsPerRollout: 3, strategy: "random", seed: 5 };

function take(count: number, times: number, from?: DataCursor, with_ = options) {
  const taken: number[][] = [];
  let cursor = from;
  for (let i = 0; i < times; i++) {
    const { rows, next } = nextPrompts(with_, count, cursor);
    taken.push([...rows]);
    cursor = next;
  }
  return taken;
}

describe("the stream of prompts", () => {
  it("sequential goes on across the end of an epoch", () => {
    expect(take(3, 4, undefined, { ...options, strategy: "sequential" })).toEqual([
      [0, 1, 2],
      [3, 4, 5],
      [6, 0, 1],
      [2, 3, 4],
    ]);
  });

  it("every epoch has every prompt once, in an order of its own", () => {
    const flat = take(3, 7).flat();
    const epochs = [0, 1, 2].map((epoch) => flat.slice(epoch * 7, epoch * 7 + 7));
    for (const epoch of epochs) expect(epoch.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(epochs[0]).not.toEqual(epochs[1]);
  });

  it("depends on the seed, and not on how many are taken at once", () => {
    expect(take(3, 7).flat()).toEqual(take(7, 3).flat());
    expect(take(3, 7)).toEqual(take(3, 7));
    expect(take(3, 7)).not.toEqual(take(3, 7, undefined, { ...options, seed: 6 }));
  });

  it("goes on from a cursor that went through JSON", () => {
    const { next } = nextPrompts(options, 5);
    const cursor = JSON.parse(JSON.stringify(next)) as DataCursor;
    expect(nextPrompts(options, 4, cursor).rows).toEqual(take(9, 1)[0]?.slice(5));
  });

  it("counts epochs with fraction; an epoch that is used up is done", () => {
    expect(nextPrompts(options, 3).epochsDone).toBeCloseTo(3 / 7, 12);
    expect(nextPrompts(options, 7)).toMatchObject({ epochsDone: 1, next: { epoch: 1, position: 0 } });
    expect(nextPrompts(options, 10).epochsDone).toBeCloseTo(10 / 7, 12);
  });

  it("fewer prompts than a rollout needs are asked more than once", () => {
    const few = { ...options, rows: 2, strategy: "sequential" } as const;
    expect(nextPrompts(few, 5)).toEqual({
      rows: [0, 1, 0, 1, 0],
      next: { epoch: 2, position: 1 },
      epochsDone: 2.5,
    });
  });

  it("group_by_length puts like lengths into one rollout", () => {
    const lengths = [9, 1, 8, 2, 7, 3];
    const grouped = {
      ...options,
      rows: 6,
      promptsPerRollout: 3,
      strategy: "group_by_length",
      lengths,
    } as const;
    const order = nextPrompts(grouped, 6).rows;
    expect(order.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(lengths[order[0] ?? 0]).toBe(9);
    expect(() => nextPrompts({ ...options, strategy: "group_by_length" }, 1)).toThrow(/token count/);
  });

  it("without prompts is refused", () => {
    expect(() => nextPrompts({ ...options, rows: 0 }, 1)).toThrow(/No prompt is left/);
  });

  it("rollouts of a run", () => {
    expect(rolloutsOfRun({ rows: 7, promptsPerRollout: 3 }, 1)).toBe(3);
    expect(rolloutsOfRun({ rows: 6, promptsPerRollout: 3 }, 2)).toBe(4);
    expect(rolloutsOfRun({ rows: 2, promptsPerRollout: 8 }, 0.1)).toBe(1);
  });
});
