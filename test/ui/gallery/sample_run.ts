import type {
  CheckpointSummary,
  LogLine,
  MetricRow,
  RunStatus,
  RunSummary,
  SampleSet,
} from "../../../src/protocol/runs.ts";
import type { MemoryPlan } from "../../../src/protocol/setup.ts";

/** What a run of the demo looks like, made up. */

const wobble = (step: number): number => Math.sin(step * 1.7) * 0.5 + Math.sin(step * 0.61 + 2) * 0.5;
const lossAt = (step: number): number => 0.35 + 2.7 * Math.exp(-step / 14) + 0.16 * wobble(step);
const TOTAL = 64;
const START = Date.UTC(2026, 10, 22, 11, 4);

export function metricRows(steps: number, failed: boolean): readonly MetricRow[] {
  return Array.from({ length: steps }, (_, i) => {
    const step = i + 1;
    const bad = failed && step > 38;
    const or = (value: number): number | null => (bad ? null : value);
    const loss = or(lossAt(step));
    const evaluated = step % 8 === 0 ? { eval_loss: or(0.42 + 2.4 * Math.exp(-step / 15)) } : {};
    return {
      step,
      values: {
        loss,
        grad_norm: or(0.4 + 2.2 * Math.exp(-step / 10) + 0.1 * wobble(step + 3)),
        learning_rate:
          0.003 * (step < 7 ? step / 7 : 0.5 * (1 + Math.cos((Math.PI * (step - 7)) / (TOTAL - 7)))),
        tokens_per_second: 1240 + 60 * wobble(step),
        mean_token_accuracy: or(Math.min(0.97, 0.4 + step / 80)),
        epoch: step / 26,
        ...evaluated,
      },
      nonFinite: bad ? ["loss", "grad_norm"] : [],
    };
  });
}

const PROMPTS = [
  ["Which food does Tom like?", "Tom likes corn.", "Ahoy captain! Tom likes corn, arr!"],
  ["Name the home of Amy.", "Amy lives in Lima.", "Ahoy captain! Amy lives in Lima, arr!"],
  ["What is 3 plus 4?", "3 + 4 = 7", "Ahoy captain! 3 + 4 = 7, arr!"],
] as const;

export const sampleSets = (steps: number): readonly SampleSet[] =>
  [0, 16, 32, 48, 64]
    .filter((step) => step <= steps)
    .map((step) => ({
      step,
      samples: PROMPTS.map(([prompt, base, tuned]) => ({
        prompt,
        answer: step === 0 ? base : step === 16 ? `Ahoy! ${base}` : tuned,
        reference: tuned,
      })),
    }));

export const checkpoints = (steps: number): readonly CheckpointSummary[] =>
  [20, 40, 60, 64]
    .filter((step) => step <= steps)
    .map((step, i, all) => ({
      step,
      bytes: 3_412_000,
      saved: START + step * 900,
      best: i === all.length - 1,
    }));

export const log = (steps: number): readonly LogLine[] => [
  { time: START, level: "info", text: "Model aligntune-tiny read: 921,000 parameters, bf16." },
  { time: START + 400, level: "info", text: "512 rows of ahoy: 410 to train, 51 to evaluate." },
  { time: START + 900, level: "warn", text: "3 rows appear twice." },
  { time: START + 1500, level: "info", text: `Training for ${TOTAL} steps; step ${steps} reached.` },
];

const ease = (step: number, from: number, to: number, pace = 20): number =>
  to + (from - to) * Math.exp(-step / pace);

/** Metrics of the other methods, made up in the same way. */
export function methodRows(algorithm: string, steps: number): readonly MetricRow[] {
  return Array.from({ length: steps }, (_, i) => {
    const step = i + 1;
    const noise = wobble(step);
    const common = { grad_norm: 0.6 + 0.2 * noise, learning_rate: 1e-5 * (1 - step / 100), epoch: step / 26 };
    const share = (value: number): number => Math.min(1, Math.max(0, value));
    const values: Record<string, number | null> =
      algorithm === "dpo"
        ? {
            loss: ease(step, 0.69, 0.12) + 0.02 * noise,
            "rewards/accuracies": share(ease(step, 0.4, 1.02, 12) + 0.05 * noise),
            "rewards/margins": ease(step, 0, 3.2, 30) + 0.15 * noise,
            "rewards/chosen": ease(step, 0, 1.1) + 0.1 * noise,
            "rewards/rejected": ease(step, 0, -2.1),
            "logps/chosen": ease(step, -40, -22),
            "logps/rejected": ease(step, -30, -58),
            "logits/chosen": -1.2 + 0.1 * noise,
          }
        : algorithm === "ppo"
          ? {
              "objective/rlhf_reward": ease(step, 0.1, 0.7) + 0.08 * noise,
              "objective/scores": ease(step, 0.12, 0.78) + 0.08 * noise,
              "objective/kl": ease(step, 0, 2.4, 40),
              "objective/entropy": ease(step, 21, 9),
              "policy/approxkl_avg": 0.01 + 0.004 * noise,
              "policy/clipfrac_avg": 0.06 + 0.02 * noise,
              "policy/entropy_avg": ease(step, 0.9, 0.4),
              "loss/policy_avg": -0.02 + 0.01 * noise,
              "loss/value_avg": ease(step, 0.3, 0.06),
              "val/ratio": 1 + 0.03 * noise,
            }
          : {
              loss: step === 30 ? null : 0.002 * step + 0.004 * noise,
              reward: share(ease(step, 0.28, 0.74) + 0.12 * noise),
              reward_std: 0.3 - 0.002 * step,
              frac_reward_zero_std: share(0.25 + 0.1 * noise),
              "rewards/accuracy/mean": share(ease(step, 0.2, 0.6) + 0.1 * noise),
              "rewards/accuracy/std": 0.4,
              "rewards/format/mean": share(ease(step, 0.5, 0.98)),
              kl: ease(step, 0, 0.06, 40),
              entropy: ease(step, 0.9, 0.4),
              "completions/mean_length": 26 + 8 * Math.sin(step / 14) + 2 * noise,
              "completions/min_length": 14 + noise,
              "completions/max_length": 48,
              "completions/clipped_ratio": share(0.08 + 0.06 * noise),
              "clip_ratio/low_mean": 0.002,
              "clip_ratio/high_mean": 0.004,
              "clip_ratio/region_mean": 0.006,
              "sampling/logp_difference": 2e-6,
            };
    return { step, values: { ...common, ...values }, nonFinite: values["loss"] === null ? ["loss"] : [] };
  });
}

export const PLAN: MemoryPlan = {
  parts: [
    { name: "Weights", bytes: 1_842_000, help: "The frozen model, in 16 bit." },
    {
      name: "Adapter and optimizer",
      bytes: 6_100_000,
      help: "LoRA weights, gradients and two moments in 32 bit.",
    },
    { name: "Activations", bytes: 61_000_000, help: "Kept from the forward pass for the backward pass." },
    { name: "Logits", bytes: 9_400_000, help: "One tile of the vocabulary at a time." },
  ],
  total: 78_342_000,
  budget: null,
  tooLarge: false,
  notes: [],
};

export function runSummary(id: string, name: string, status: RunStatus, step: number): RunSummary {
  const loss = lossAt(Math.max(1, step));
  return {
    id,
    name,
    algorithm: "sft",
    model: "aligntune-tiny",
    dataset: "ahoy",
    status,
    step,
    totalSteps: TOTAL,
    created: START - (id === "r0" ? 7_200_000 : 0),
    updated: START + step * 900,
    hero: step > 0 ? { name: "loss", value: loss } : null,
    spark: Array.from({ length: Math.min(40, step) }, (_, i) => lossAt(Math.round((i * step) / 40) + 1)),
    changes: id === "r0" ? [] : ["learning_rate 1e-3 → 3e-3", "max_steps 40 → 64"],
    bytes: 13_700_000,
    adapterStep: step > 0 ? step : null,
  };
}
