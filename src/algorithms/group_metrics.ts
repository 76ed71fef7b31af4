import type { GroupConfig } from "../config/fields.ts";
import { mean, meanByName, type StepRecord } from "../trainer/metrics.ts";
import { type MicroMetrics, sumOf } from "../trainer/report.ts";

/**
 * trl's log line. Entropy, kl and clip ratios are means over a micro-batch, then plain means over micro-batches; rewards
 * and lengths belong to the steps in which a rollout began.
 */
export function groupLogValues(records: readonly StepRecord[], config: GroupConfig): Record<string, number> {
  const last = records.at(-1);
  if (!last) return {};
  const micros = records.flatMap(({ report }) => report.micros);
  const share = (of: string, by: string) =>
    mean(micros.map((micro) => (micro[of] ?? 0) / Math.max(1, micro[by] ?? 0)));
  const extreme = (name: string) => {
    const rows = micros.filter((micro) => (micro["rows"] ?? 0) > 0);
    return mean(rows.map((micro) => micro[name] ?? 0));
  };
  return {
    loss: mean(records.map(({ report }) => report.micros.reduce((sum, micro) => sum + micro.loss, 0))),
    grad_norm: last.report.gradNorm,
    learning_rate: last.learningRate,
    epoch: last.epoch,
    num_tokens: last.numTokens,
    ...meanByName(records.flatMap(({ values }) => (values ? [values] : []))),
    entropy: share("entropy", "live"),
    ...(config.beta > 0 && { kl: share("kl", "live") }),
    ...(config.entropy_coef > 0 && bonusValues(micros, config)),
    ...clipValues(config.loss_type, share, extreme),
  };
}

/** The bonus, and the loss before it; the latter is only known here where all tokens share the bonus. */
function bonusValues(
  micros: readonly MicroMetrics[],
  { entropy_coef, gradient_accumulation_steps, top_entropy_quantile }: GroupConfig,
): Record<string, number> {
  if (top_entropy_quantile < 1) return { entropy_coef };
  const bonus = ({ entropy, live }: MicroMetrics) =>
    (entropy_coef * entropy) / Math.max(1, live) / gradient_accumulation_steps;
  return { entropy_coef, policy_loss: mean(micros.map((micro) => micro.loss + bonus(micro))) };
}

/** How often the ratio was held back, under the name that trl has for the kind of loss. */
function clipValues(
  loss: GroupConfig["loss_type"],
  share: (of: string, by: string) => number,
  extreme: (name: string) => number,
): Record<string, number> {
  if (loss === "sapo") return {};
  if (loss === "cispo") return { cispo_clip_ratio: share("cispoClip", "live") };
  if (loss === "vespo") return { "vespo/phi_seq_mean": share("phi", "rows") };
  return {
    "clip_ratio/low_mean": share("clipLow", "clipCount"),
    "clip_ratio/high_mean": share("clipHigh", "clipCount"),
    "clip_ratio/region_mean": share("clipRegion", "clipCount"),
    "clip_ratio/low_min": extreme("clipLowMin"),
    "clip_ratio/high_max": extreme("clipHighMax"),
  };
}

/** Sums, but for the least and greatest share of clipped tokens of any live row. */
export function combineMetrics(passes: readonly MicroMetrics[]): MicroMetrics {
  const shares = (name: string) => passes.flatMap((pass) => (pass["rows"] === 0 ? [] : [pass[name] ?? 0]));
  const lows = shares("clipLowMin");
  return {
    ...sumOf(passes),
    clipLowMin: lows.length === 0 ? 0 : Math.min(...lows),
    clipHighMax: Math.max(0, ...shares("clipHighMax")),
  };
}
