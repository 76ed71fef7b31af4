import { describe, expect, it } from "vitest";
import {
  type BatchShape,
  type DataCursor,
  epochOrder,
  type OptimizerStep,
  type OrderOptions,
  stepsPerEpoch,
  totalSteps,
} from "../../src/data/batches.ts";
import { rowsInMemory } from "../../src/data/train_rows.ts";
import { takeSteps } from "./support/steps.ts";

type Options = OrderOptions & BatchShape;

const base: Options = {
  rows: 7,
  batchSize: 2,
  gradientAccumulationSteps: 2,
  strategy: "random",
  seed: 7,
};

function take(options: Options, count: number, from?: DataCursor): Promise<OptimizerStep<number>[]> {
  const numbers = Array.from({ length: options.rows }, (_, row) => row);
  const rows = rowsInMemory(numbers, { ...options, lengthOf: (row) => options.lengths?.[row] ?? 0 });
  return takeSteps(rows, options, count, from);
}

describe("an epoch", () => {
  it("sequential: in file order, the last window and its last batch short", async () => {
    const steps = await take({ ...base, strategy: "sequential" }, 3);
    expect(steps.map((step) => step.batches)).toEqual([
      [
        [0, 1],
        [2, 3],
      ],
      [[4, 5], [6]],
      [
        [0, 1],
        [2, 3],
      ],
    ]);
    expect(steps.map((step) => step.next)).toEqual([
      { epoch: 0, position: 4 },
      { epoch: 1, position: 0 },
      { epoch: 1, position: 4 },
    ]);
    expect(steps.map((step) => step.epochsDone)).toEqual([4 / 7, 1, 1 + 4 / 7]);
  });

  it("random: every row once, another order each epoch and each seed", () => {
    const orders = [0, 1].map((epoch) => epochOrder({ ...base, rows: 100 }, epoch));
    for (const order of orders) expect(order.toSorted((a, b) => a - b)).toEqual([...Array(100).keys()]);
    expect(orders[0]).not.toEqual(orders[1]);
    expect(epochOrder({ ...base, rows: 100, seed: 8 }, 0)).not.toEqual(orders[0]);
  });

  it("group_by_length: every row once, the longest first, batches of like length", () => {
    const lengths = Array.from({ length: 103 }, (_, i) => (i * 37) % 101);
    const options: Options = { ...base, rows: 103, strategy: "group_by_length", lengths };
    const order = epochOrder(options, 0);
    expect(order.toSorted((a, b) => a - b)).toEqual([...Array(103).keys()]);
    expect(lengths[order[0] ?? 0]).toBe(100);
    const spread = (rows: readonly number[]) => {
      let sum = 0;
      for (let i = 0; i + 1 < rows.length; i += 2) {
        sum += Math.abs((lengths[rows[i] ?? 0] ?? 0) - (lengths[rows[i + 1] ?? 0] ?? 0));
      }
      return sum;
    };
    expect(spread(order)).toBeLessThan(spread(epochOrder({ ...options, strategy: "random" }, 0)) / 4);
  });

  it("group_by_length without lengths is refused", () => {
    expect(() => epochOrder({ ...base, strategy: "group_by_length" }, 0)).toThrow(/token count of every row/);
  });
});

it.each(["random", "sequential", "group_by_length"] as const)(
  "%s: going on from any cursor equals never having stopped",
  async (strategy) => {
    const options: Options = { ...base, strategy, lengths: [5, 1, 9, 2, 8, 3, 7] };
    const all = await take(options, 9);
    for (const [i, step] of all.entries()) {
      expect(await take(options, 8 - i, step.next)).toEqual(all.slice(i + 1));
    }
  },
);

describe("counting steps", () => {
  it.each([
    [7, 2, 2, 2],
    [8, 2, 2, 2],
    [9, 2, 2, 3],
    [1, 8, 4, 1],
  ])(
    "%i rows, batch %i, accumulation %i: %i an epoch",
    async (rows, batchSize, gradientAccumulationSteps, steps) => {
      const counted = { rows, batchSize, gradientAccumulationSteps };
      expect(stepsPerEpoch(counted)).toBe(steps);
      const cursors = (await take({ ...base, ...counted }, steps)).map((step) => step.next.epoch);
      expect(cursors.filter((epoch) => epoch === 0)).toHaveLength(steps - 1);
    },
  );

  it("max_steps wins over epochs; a fraction of an epoch rounds up", () => {
    expect(totalSteps(base, 3, undefined)).toBe(6);
    expect(totalSteps(base, 3, 5)).toBe(5);
    expect(totalSteps(base, 0.6, 0)).toBe(2);
  });
});

it("nothing to train on and sizes below 1 are refused", async () => {
  await expect(take({ ...base, rows: 0 }, 1)).rejects.toThrow(/No row is left/);
  await expect(take({ ...base, batchSize: 0 }, 1)).rejects.toThrow(/batch_size/);
});
