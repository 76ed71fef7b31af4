import { groupObjective } from "../../algorithms/grpo.ts";
import type { GroupLossSettings } from "../../kernels/loss/group_loss.ts";
import { groupAdvantages } from "../../losses/advantages.ts";
import { type GroupLoss, tokenWeights } from "../../losses/token_weights.ts";
import { Engine } from "../../trainer/engine.ts";
import { capacityOf } from "./dpo.ts";
import type { GoldenCase } from "./golden_case.ts";
import { type CaseResult, floats, optional, param, pick, readRollout, spread } from "./result.ts";
import { gradientsOf, NO_UPDATE } from "./rl_engine.ts";
import { type Mode, type Subject, trainableOf } from "./subject.ts";

const HIGH: Readonly<Record<string, number>> = { dapo: 0.28, gspo: 4e-4 };

function settingsOf(golden: GoldenCase): GroupLossSettings {
  const epsilon = param<number>(golden, "epsilon");
  return {
    lossType: param<GroupLoss>(golden, "loss_type"),
    level: param(golden, "importance_sampling_level"),
    epsilon,
    epsilonHigh: optional(golden, "epsilon_high", HIGH[param<string>(golden, "algorithm")] ?? epsilon),
    delta: optional<number | null>(golden, "delta", null),
    beta: param(golden, "beta"),
    biasCorrection: optional(golden, "use_bias_correction_kl", false),
    topEntropyQuantile: optional(golden, "top_entropy_quantile", 1),
    offPolicyThreshold: optional<number | null>(golden, "off_policy_mask_threshold", null),
    onPolicy: false,
  };
}

async function advantagesOf(golden: GoldenCase, rows: number) {
  const rewards = await floats(golden, "rewards");
  const kinds = rewards.length / rows;
  const ofRow = (row: number) => Array.from(rewards.slice(row * kinds, (row + 1) * kinds));
  return groupAdvantages(
    Array.from({ length: rows }, (_, i) => ofRow(i).map((value) => (Number.isNaN(value) ? null : value))),
    optional(golden, "reward_weights", new Array<number>(kinds).fill(1)),
    param(golden, "num_generations"),
    {
      scale: param(golden, "scale_rewards"),
      aggregation: optional(golden, "multi_objective_aggregation", "sum_then_normalize" as const),
    },
  );
}

/** Advantages, log-probabilities, loss and gradients of one rollout that is one micro-batch. */
export async function runGrpo(subject: Subject, golden: GoldenCase, mode: Mode): Promise<CaseResult> {
  const { joined, width } = await readRollout(golden);
  const old = await floats(golden, "old_logps");
  const worth = await advantagesOf(golden, joined.length);
  const settings = settingsOf(golden);
  const tokens = joined.map(({ targets }) => targets.length);
  const weights = tokenWeights(tokens, {
    lossType: settings.lossType,
    microBatches: 1,
    stepsPerGeneration: 1,
    rolloutTokens: tokens.reduce((a, b) => a + b, 0),
    maxCompletionLength: param(golden, "max_completion_length"),
  });
  const bonus =
    optional(golden, "entropy_coef", 0) /
    Math.max(
      1,
      tokens.reduce((a, b) => a + b, 0),
    );
  const plain = joined.map((row, i) => ({
    ids: row.ids,
    key: i,
    targets: row.targets,
    weights: row.targets.map(() => weights[i] ?? 0),
  }));
  const temperature = param<number>(golden, "temperature");
  const engine = await Engine.create(subject.gpu, {
    ...{ model: subject.model, spec: subject.spec, ...mode },
    trainable: trainableOf(subject, false),
    reference: "base",
    capacity: capacityOf(plain),
    micros: 1,
    maxLength: Math.max(...plain.map((row) => row.ids.length)),
    objective: groupObjective(settings, temperature, true),
    optimizer: NO_UPDATE,
  });
  const policy = await engine.score("policy", plain);
  const reference = await engine.score("reference", plain);
  const rows = plain.map((row, i) => ({
    ...row,
    columns: {
      oldLogp: pick(old, width, i, joined[i] ?? { ids: [], targets: [], columns: [] }),
      refLogp: reference[i] ?? [],
    },
    info: [worth.advantages[i] ?? 0, bonus] as const,
  }));
  engine.accumulate(rows, { micro: 0, step: 0, seed: 0, noise: 0 });
  const gradients = await gradientsOf(engine);
  const report = await engine.update({ lr: 0, step: 0, micros: 1 }).read();
  const [micro] = report.micros;
  const share = (of: string, by: string) => (micro?.[of] ?? Number.NaN) / Math.max(1, micro?.[by] ?? 0);
  return {
    scalars: {
      loss: micro?.loss ?? Number.NaN,
      entropy: share("entropy", "live"),
      "clip_ratio/low": share("clipLow", "clipCount"),
      "clip_ratio/high": share("clipHigh", "clipCount"),
      ...(settings.beta > 0 && { kl: share("kl", "live") }),
    },
    tensors: new Map([
      ["advantages", Float32Array.from(worth.advantages)],
      ["logps", spread(policy, joined, width)],
      ["ref_logps", spread(reference, joined, width)],
      ...[...gradients].map(([name, data]) => [`grad.${name}`, data] as const),
    ]),
  };
}
