import { describe, expect, it } from "vitest";
import type { DataCursor, SamplingStrategy } from "../../src/data/batches.ts";
import { nextPrompts as nextOf } from "../../src/data/prompt_batches.ts";
import { rowsInMemory } from "../../src/data/train_rows.ts";

interface Options {
  readonly rows: number;
  readonly promptsPerRollout: number;
  readonly strategy: SamplingStrategy;
  readonly seed: number;
  readonly lengths?: readonly number[];
}

const options: Options = { rows: 7, promptsPerRollout: 3, strategy: "random", seed: 5 };

function nextPrompts(options: Options, count: number, from?: DataCursor) {
  const order = { ...options, batchSize: options.promptsPerRollout };
  const numbers = Array.from({ length: options.rows }, (_, row) => row);
  return nextOf(
    rowsInMemory(numbers, { ...order, lengthOf: (row) => options.lengths?.[row] ?? 0 }),
    count,
    from,
  );
}

async function take(count: number, times: number, from?: DataCursor, with_ = options) {
  const taken: number[][] = [];
  let cursor = from;
  for (let i = 0; i < times; i++) {
    const { rows, next } = await nextPrompts(with_, count, cursor);
    taken.push([...rows]);
    cursor = next;
  }
  return taken;
}

describe("the stream of prompts", () => {
  it("sequential goes on across the end of an epoch", async () => {
    expect(await take(3, 4, undefined, { ...options, strategy: "sequential" })).toEqual([
      [0, 1, 2],
      [3, 4, 5],
      [6, 0, 1],
      [2, 3, 4],
    ]);
  });

  it("every epoch has every prompt once, in an order of its own", async () => {
    const flat = (await take(3, 7)).flat();
    const epochs = [0, 1, 2].map((epoch) => flat.slice(epoch * 7, epoch * 7 + 7));
    for (const epoch of epochs) expect(epoch.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(epochs[0]).not.toEqual(epochs[1]);
  });

  it("depends on the seed, and not on how many are taken at once", async () => {
    expect((await take(3, 7)).flat()).toEqual((await take(7, 3)).flat());
    expect(await take(3, 7)).toEqual(await take(3, 7));
    expect(await take(3, 7)).not.toEqual(await take(3, 7, undefined, { ...options, seed: 6 }));
  });

  it("goes on from a cursor that went through JSON", async () => {
    const { next } = await nextPrompts(options, 5);
    const cursor = JSON.parse(JSON.stringify(next)) as DataCursor;
    expect((await nextPrompts(options, 4, cursor)).rows).toEqual((await take(9, 1))[0]?.slice(5));
  });

  it("an epoch that is used up is done", async () => {
    expect(await nextPrompts(options, 3)).toMatchObject({ next: { epoch: 0, position: 3 } });
    expect(await nextPrompts(options, 7)).toMatchObject({ next: { epoch: 1, position: 0 } });
    expect(await nextPrompts(options, 10)).toMatchObject({ next: { epoch: 1, position: 3 } });
  });

  it("fewer prompts than a rollout needs are asked more than once", async () => {
    const few = { ...options, rows: 2, strategy: "sequential" } as const;
    expect(await nextPrompts(few, 5)).toEqual({
      rows: [0, 1, 0, 1, 0],
      next: { epoch: 2, position: 1 },
      notes: [],
    });
  });

  it("group_by_length puts like lengths into one rollout", async () => {
    const lengths = [9, 1, 8, 2, 7, 3];
    const grouped = {
      ...options,
      rows: 6,
      promptsPerRollout: 3,
      strategy: "group_by_length",
      lengths,
    } as const;
    const order = (await nextPrompts(grouped, 6)).rows;
    expect(order.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(lengths[order[0] ?? 0]).toBe(9);
  });

  it("without prompts is refused", async () => {
    await expect(nextPrompts({ ...options, rows: 0 }, 1)).rejects.toThrow(/No row is left/);
  });
});
