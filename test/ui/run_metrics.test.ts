import { describe, expect, it } from "vitest";
import type { MetricRow } from "../../src/protocol/runs.ts";
import { beforeAfter, headlineOf } from "../../src/store/headline.ts";
import { NO_RUNS, reduce } from "../../src/store/runs.ts";
import {
  drawnBy,
  groupMetrics,
  heroCharts,
  linesFor,
  marksFor,
  maxCompletionOf,
  nameInGroup,
  otherMetrics,
} from "../../src/ui/run/run_metrics.ts";
import { methodInfo } from "./methods.ts";

const row = (step: number, values: MetricRow["values"], nonFinite: readonly string[] = []): MetricRow => ({
  step,
  values,
  nonFinite,
});

describe("the large charts", () => {
  it.each([
    ["sft", ["loss"]],
    ["dpo", ["rewards/accuracies", "rewards/margins"]],
    ["ppo", ["objective/rlhf_reward", "objective/kl"]],
    ["grpo", ["reward", "completions/mean_length"]],
    ["gspo", ["reward", "completions/mean_length"]],
    ["dapo", ["reward", "completions/mean_length"]],
    ["dr_grpo", ["reward", "completions/mean_length"]],
  ] as const)("of %s begin with %j", (algorithm, metrics) => {
    expect(heroCharts(methodInfo(algorithm)).map((chart) => chart.metrics[0]?.metric)).toEqual(metrics);
  });

  it("show the loss of a method that is not known", () => {
    expect(heroCharts(undefined).map(({ title }) => title)).toEqual(["Loss"]);
    expect(headlineOf(undefined).metric).toBe("loss");
  });

  it("draw the reward with its spread, and the held-out one once it is measured", () => {
    const [chart] = heroCharts(methodInfo("grpo"));
    if (!chart) throw new Error("there is a chart");
    const first = [row(1, { reward: 0.5, reward_std: 0.25 })];
    const [reward, ...rest] = linesFor(first, chart);
    expect(reward?.spread?.points).toEqual([{ step: 1, value: 0.25 }]);
    expect(rest).toEqual([]);
    const later = linesFor([...first, row(2, { eval_reward: 0.5 })], chart);
    expect(later.map(({ name, sparse }) => [name, sparse])).toEqual([
      ["reward", false],
      ["eval_reward", true],
    ]);
  });

  it("mark values that were not numbers on the chart of their metric", () => {
    const state = reduce(NO_RUNS, {
      type: "metrics",
      runId: "a",
      rows: [row(1, { reward: null, kl: 0.1 }, ["reward"]), row(2, { reward: 0.5, kl: null }, ["kl"])],
    });
    const run = state.runs["a"];
    if (!run) throw new Error("the run is there");
    expect(marksFor(run, ["reward"])).toEqual([{ step: 1, kind: "not-finite" }]);
    expect(marksFor(run, ["kl"])).toEqual([{ step: 2, kind: "not-finite" }]);
  });
});

describe("the other metrics", () => {
  const rows = [
    row(1, {
      loss: 0.01,
      reward: 0.5,
      epoch: 0.1,
      "completions/mean_length": 20,
      "completions/clipped_ratio": 0,
      frac_reward_zero_std: 0.25,
      "rewards/accuracy/mean": 0.5,
      "clip_ratio/low_mean": 0,
      "sampling/logp_difference": 1e-6,
      eval_reward: 0.5,
    }),
    row(2, { kl: null }, ["kl"]),
  ];
  const drawn = drawnBy(heroCharts(methodInfo("grpo")));

  it("are all but those drawn large, also one that never was a number", () => {
    const names = otherMetrics(rows, drawn);
    expect(names).toContain("kl");
    expect(names).toContain("loss");
    for (const name of ["reward", "eval_reward", "completions/mean_length", "epoch"])
      expect(names).not.toContain(name);
  });

  it("are grouped by what stands before the slash", () => {
    expect(groupMetrics(otherMetrics(rows, drawn))).toEqual([
      { title: "Training", metrics: ["loss", "kl"] },
      { title: "Rewards", metrics: ["frac_reward_zero_std", "rewards/accuracy/mean"] },
      { title: "Answers", metrics: ["completions/clipped_ratio"] },
      { title: "Clipping", metrics: ["clip_ratio/low_mean"] },
      { title: "Sampling", metrics: ["sampling/logp_difference"] },
    ]);
  });

  it("do not say their group again", () => {
    expect(nameInGroup("rewards/accuracy/mean")).toBe("Accuracy mean");
    expect(nameInGroup("grad_norm")).toBe("Gradient norm");
  });
});

describe("a beginning and an end", () => {
  const hero = headlineOf(methodInfo("grpo"));

  it("are means of several steps of a reward, which jumps", () => {
    const rewards = [0, 1, 0, 1, 0, 1, 1, 1, 0, 1].map((reward, i) => row(i + 1, { reward }));
    expect(beforeAfter(rewards, hero)).toEqual({ before: 0.4, after: 0.8, over: 5 });
    expect(beforeAfter(rewards.slice(0, 5), hero)).toEqual({ before: 0.5, after: 0.5, over: 2 });
  });

  it("are the first and the last loss", () => {
    const losses = [3, 2, 1].map((loss, i) => row(i + 1, { loss }));
    expect(beforeAfter(losses, headlineOf(methodInfo("sft")))).toEqual({ before: 3, after: 1, over: 1 });
  });

  it("need two steps", () => {
    expect(beforeAfter([row(1, { reward: 1 })], hero)).toBeNull();
  });
});

it("reads the longest answer from the configuration that ran", () => {
  expect(maxCompletionOf("algorithm: grpo\nmax_completion_length: 128\n")).toBe(128);
  expect(maxCompletionOf("algorithm: sft\n")).toBeNull();
  expect(maxCompletionOf(null)).toBeNull();
});
