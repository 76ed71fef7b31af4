import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import {
  type AdvantageOptions,
  groupAdvantages,
  type RewardRow,
  rewardMetrics,
} from "../../src/losses/advantages.ts";
import { goldenCase } from "./golden.ts";

const sums: AdvantageOptions = { scale: "group", aggregation: "sum_then_normalize" };

describe("what trl 1.13 gives for two groups with gaps", () => {
  const rewards: RewardRow[] = [
    [1, 0.2],
    [0, 0.4],
    [0.5, null],
    [1, 0.1],
    [1, 0.3],
    [1, 0.3],
    [null, null],
    [1, 0.9],
  ];
  it.each<[string, Partial<AdvantageOptions>, number[]]>([
    [
      "scaled by the group",
      {},
      [0.8873242, -1.1735578, -0.4865971, 0.7728307, -0.5770171, -0.5770171, 0, 1.1540343],
    ],
    [
      "scaled by the batch",
      { scale: "batch" },
      [0.8938356, -1.1821697, -0.4901679, 0.778502, -0.2306673, -0.2306673, 0, 0.4613345],
    ],
    ["not scaled", { scale: "none" }, [0.3875, -0.5125, -0.2125, 0.3375, -0.1, -0.1, 0, 0.2]],
    [
      "each reward compared first, then summed",
      { aggregation: "normalize_then_sum" },
      [1.2586793, -1.4191978, -0.4874199, 0.6479383, -0.53882, -0.53882, 0, 1.0776399],
    ],
  ])("%s", (_, options, expected) => {
    const { advantages } = groupAdvantages(rewards, [1, 0.5], 4, { ...sums, ...options });
    // trl computed in float32.
    for (const [i, value] of advantages.entries()) expect(value).toBeCloseTo(expected[i] ?? Number.NaN, 6);
  });
});

const cases = readdirSync(new URL("../golden/cases/", import.meta.url)).filter(
  (name) => name.startsWith("rl-") && !name.startsWith("rl-ppo"),
);

it.each(cases)("%s: the advantages of the golden case", async (name) => {
  const { params, rows } = goldenCase(name);
  const rewards = (await rows("rewards")).map((row) => row.map((x) => (Number.isNaN(x) ? null : x)));
  const { advantages } = groupAdvantages(
    rewards,
    params["reward_weights"] as number[],
    params["num_generations"] as number,
    { ...sums, scale: params["scale_rewards"] as AdvantageOptions["scale"] },
  );
  const expected = (await rows("advantages")).flat();
  expect(advantages).toHaveLength(expected.length);
  // Expected values are stored in float32.
  for (const [i, value] of advantages.entries()) expect(value).toBeCloseTo(expected[i] ?? Number.NaN, 6);
});

interface Run {
  readonly batch_size: number;
  readonly steps_per_generation: number;
  readonly num_generations: number;
  readonly scale_rewards?: AdvantageOptions["scale"];
  readonly rewards: readonly { readonly type: string; readonly weight: number }[];
}

const folder = new URL("../golden/trl/", import.meta.url);
const runs = readdirSync(folder).filter((name) => name.startsWith("rl-"));

describe.each(runs)("%s: what trl 1.13 logged of its rollouts", (name) => {
  const text = (file: string) => readFileSync(new URL(`${name}/${file}`, folder), "utf8");
  const config = parse(text("config.yaml")) as Run;
  const names = config.rewards.map(({ type }) => type);
  const rewards = text("rollouts.jsonl")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { rewards: Record<string, number | null> })
    .map((row) => names.map((reward) => row.rewards[reward] ?? null));
  const { steps } = JSON.parse(text("expected.json")) as { steps: Record<string, number>[] };
  const logged = steps.filter((step) => "reward" in step);
  const size = config.batch_size * config.steps_per_generation;

  it.each(logged.map((_, i) => i))("rollout %i", (i) => {
    const rows = rewards.slice(i * size, (i + 1) * size);
    const { metrics } = groupAdvantages(
      rows,
      config.rewards.map(({ weight }) => weight),
      config.num_generations,
      { ...sums, scale: config.scale_rewards ?? (name === "rl-dr-grpo" ? "none" : "group") },
    );
    const ours = { ...metrics, ...rewardMetrics(rows, names) };
    const step = logged[i] ?? {};
    expect(
      Object.keys(step)
        .filter((key) => /^(frac_)?rewards?/.test(key))
        .toSorted(),
    ).toEqual(Object.keys(ours).toSorted());
    for (const [key, value] of Object.entries(ours))
      expect(value, key).toBeCloseTo(step[key] ?? Number.NaN, 5);
  });
});

describe("rows that cannot be compared", () => {
  it("equal rewards give exactly 0, whatever their sum rounds to", () => {
    const same: RewardRow[] = [0, 1, 2].map(() => [0.1, 0.7]);
    for (const scale of ["group", "batch", "none"] as const) {
      for (const aggregation of ["sum_then_normalize", "normalize_then_sum"] as const) {
        const result = groupAdvantages(same, [0.3, 1.1], 3, { scale, aggregation });
        expect([...result.advantages]).toEqual([0, 0, 0]);
        expect(result.informative).toEqual([false]);
        expect(result.metrics["frac_reward_zero_std"]).toBe(1);
      }
    }
  });

  it("a group of equal rewards beside one that differs", () => {
    const rewards: RewardRow[] = [[0.1], [0.1], [0.1], [0], [1], [0.3]];
    const { advantages, informative, metrics } = groupAdvantages(rewards, [1], 3, sums);
    expect([...advantages.subarray(0, 3)]).toEqual([0, 0, 0]);
    expect(informative).toEqual([false, true]);
    expect(metrics["frac_reward_zero_std"]).toBe(0.5);
  });

  it("a group's only row with a reward teaches nothing and is not counted as without spread", () => {
    const rewards: RewardRow[] = [[5], [null], [0], [1]];
    const { advantages, informative, metrics, total } = groupAdvantages(rewards, [2], 2, sums);
    expect(total).toEqual([10, null, 0, 2]);
    expect([...advantages.subarray(0, 2)]).toEqual([0, 0]);
    expect(informative).toEqual([false, true]);
    expect(metrics["frac_reward_zero_std"]).toBe(0);
    expect(metrics["reward"]).toBe(4);
  });

  it("without any reward there is nothing to report but that", () => {
    const { advantages, metrics, total } = groupAdvantages([[null], [null]], [1], 2, sums);
    expect([...advantages]).toEqual([0, 0]);
    expect(total).toEqual([null, null]);
    expect(metrics).toEqual({ frac_reward_zero_std: 0 });
    expect(rewardMetrics([[null], [3]], ["a"])).toEqual({ "rewards/a/mean": 3 });
  });

  it("rewards that cancel out within a row teach nothing when each is compared first", () => {
    const rewards: RewardRow[] = [
      [1, 0],
      [0, 1],
    ];
    const options = { scale: "group", aggregation: "normalize_then_sum" } as const;
    expect([...groupAdvantages(rewards, [1, 1], 2, options).advantages]).toEqual([0, 0]);
  });
});

it("a batch deviation can be none where a group's is not", () => {
  // One group alone: both are the same numbers, so the share is all or nothing.
  const spread: RewardRow[] = [[0], [1]];
  expect(groupAdvantages(spread, [1], 2, { ...sums, scale: "batch" }).metrics["frac_reward_zero_std"]).toBe(
    0,
  );
  const flatGroups: RewardRow[] = [[0], [0], [1], [1]];
  const fraction = (scale: AdvantageOptions["scale"]) =>
    groupAdvantages(flatGroups, [1], 2, { ...sums, scale }).metrics["frac_reward_zero_std"];
  expect([fraction("group"), fraction("none"), fraction("batch")]).toEqual([1, 1, 0]);
});
