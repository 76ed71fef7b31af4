import { describe, expect, it } from "vitest";
import {
  type BatchOptions,
  epochOrder,
  type OptimizerStep,
  optimizerSteps,
  stepsPerEpoch,
  totalSteps,
} from "../../src/data/batches.ts";

const base: BatchOptions = {
  rows: 7,
  batchSize: 2,
  gradientAccumulationSteps: 2,
  strategy: "random",
  seed: 7,
};

function take(options: BatchOptions, count: number, from?: OptimizerStep["next"]): OptimizerStep[] {
  const steps = optimizerSteps(options, from);
  return Array.from({ length: count }, () => steps.next().value);
}

describe("an epoch", () => {
  it("sequential: in file order, the last window and its last batch short", () => {
    const steps = take({ ...base, strategy: "sequential" }, 3);
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
    const options: BatchOptions = { ...base, rows: 103, strategy: "group_by_length", lengths };
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
    expect(() => take({ ...base, strategy: "group_by_length" }, 1)).toThrow(/token count of every row/);
  });
});

it.each(["random", "sequential", "group_by_length"] as const)(
  "%s: going on from any cursor equals never having stopped",
  (strategy) => {
    const options: BatchOptions = { ...base, strategy, lengths: [5, 1, 9, 2, 8, 3, 7] };
    const all = take(options, 9);
    all.forEach((step, i) => {
      expect(take(options, 8 - i, step.next)).toEqual(all.slice(i + 1));
    });
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
    (rows, batchSize, gradientAccumulationSteps, steps) => {
      const counted = { rows, batchSize, gradientAccumulationSteps };
      expect(stepsPerEpoch(counted)).toBe(steps);
      const cursors = take({ ...base, ...counted }, steps).map((step) => step.next.epoch);
      expect(cursors.filter((epoch) => epoch === 0)).toHaveLength(steps - 1);
    },
  );

  it("max_steps wins over epochs; a fraction of an epoch rounds up", () => {
    expect(totalSteps(base, 3, undefined)).toBe(6);
    expect(totalSteps(base, 3, 5)).toBe(5);
    expect(totalSteps(base, 0.6, 0)).toBe(2);
  });
});

it("nothing to train on and sizes below 1 are refused", () => {
  expect(() => take({ ...base, rows: 0 }, 1)).toThrow(/No row is left/);
  expect(() => take({ ...base, batchSize: 0 }, 1)).toThrow(/batch_size/);
});
