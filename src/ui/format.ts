import { ALGORITHM_TITLES, type Algorithm } from "../config/algorithm.ts";

/** Numbers, sizes and times in words for people. */

const LOCALE = "en";
const whole = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat(LOCALE, { notation: "compact", maximumSignificantDigits: 3 });
const day = new Intl.DateTimeFormat(LOCALE, {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});
const clock = new Intl.DateTimeFormat(LOCALE, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});

export const NONE = "—";

/** 1,240 */
export const formatCount = (value: number): string => whole.format(value);
/** 1.06M */
export const formatCompact = (value: number): string => compact.format(value);

/** `row` or `rows` with its number. */
export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${formatCount(count)} ${count === 1 ? one : many}`;

/** A metric: four significant digits, and no more than people read. 3.104, 0.0421, 12.41, 1,240 */
export function formatMetric(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size < 1e-3) return formatRate(value);
  if (size >= 1000) return formatCount(value);
  return value.toFixed(size >= 100 ? 1 : size >= 0.1 ? 2 + (size < 10 ? 1 : 0) : 4);
}

/** A score under scores: two decimals, so that columns can be read down. A small one that is not 0 stays visible. */
export function formatScore(value: number): string {
  const size = Math.abs(value);
  return size < 100 && (size >= 0.01 || size === 0) ? value.toFixed(2) : formatMetric(value);
}

/** 2e-4: a learning rate as people write it. */
export function formatRate(value: number): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 0.01 && size < 1000) return String(Number(value.toPrecision(3)));
  const [mantissa = "", exponent = ""] = value.toExponential(2).split("e");
  return `${Number(mantissa)}e${exponent.replace("+", "")}`;
}

const MINUTE = 60;
const HOUR = 3600;
const two = (value: number): string => String(value).padStart(2, "0");

/** 45 s, 1 m 05 s, 2 h 03 m */
export function formatDuration(seconds: number): string {
  const all = Math.max(0, Math.round(seconds));
  if (all < MINUTE) return `${all} s`;
  if (all < HOUR) return `${Math.floor(all / MINUTE)} m ${two(all % MINUTE)} s`;
  return `${Math.floor(all / HOUR)} h ${two(Math.floor((all % HOUR) / MINUTE))} m`;
}

/** 0.42 as 42 %. */
export const formatPercent = (share: number): string => `${Math.round(share * 100)} %`;

/** 22 Nov, 12:04 */
export const formatDate = (time: number): string => day.format(time);
/** 12:04:33 */
export const formatClock = (time: number): string => clock.format(time);

/** Long names keep both ends: the middle says least. */
export function shorten(text: string, length = 40): string {
  if (text.length <= length) return text;
  const head = Math.ceil((length - 1) / 2);
  return `${text.slice(0, head)}…${text.slice(text.length - (length - 1 - head))}`;
}

/** A setting's value as people read it. */
export function formatValue(value: unknown): string {
  if (value === null || value === undefined) return NONE;
  if (typeof value === "boolean") return value ? "on" : "off";
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : formatRate(value);
  if (typeof value === "string") return value;
  return JSON.stringify(value);
}

/** The name of a method by its id. */
export const methodName = (id: string): string =>
  Object.hasOwn(ALGORITHM_TITLES, id) ? ALGORITHM_TITLES[id as Algorithm] : id.toUpperCase();

/** What a metric is called where people read it. */
export const METRIC_NAMES: Readonly<Record<string, string>> = {
  loss: "Loss",
  eval_loss: "Held-out loss",
  learning_rate: "Learning rate",
  grad_norm: "Gradient norm",
  tokens_per_second: "Tokens per second",
  mean_token_accuracy: "Token accuracy",
  entropy: "Entropy",
  step_time: "Step time",
  num_tokens: "Tokens seen",
  epoch: "Epoch",
  gpu_memory_bytes: "GPU memory",
  reward: "Reward",
  reward_std: "Spread of rewards",
  frac_reward_zero_std: "Groups without a signal",
  kl: "KL to the reference",
  mean_length: "Mean length",
  clipped_ratio: "Share cut off",
  "rewards/accuracies": "Pairs in the right order",
  "rewards/margins": "Margin",
  "completions/mean_length": "Mean length of answers",
  "completions/min_length": "Shortest answer",
  "completions/max_length": "Longest answer",
  "completions/clipped_ratio": "Share of answers cut off",
  "completions/mean_terminated_length": "Mean length of whole answers",
  "logps/chosen": "Log-probability of chosen",
  "logps/rejected": "Log-probability of rejected",
  "logits/chosen": "Mean logit of chosen",
  "logits/rejected": "Mean logit of rejected",
  "rewards/chosen": "Reward of chosen",
  "rewards/rejected": "Reward of rejected",
  "objective/kl": "KL to the reference",
  "objective/rlhf_reward": "Reward less KL",
  "objective/scores": "Score",
  "objective/entropy": "Entropy of an answer",
  "objective/non_score_reward": "KL penalty",
  "policy/approxkl_avg": "Change of the policy (KL)",
  "policy/clipfrac_avg": "Share clipped",
  "policy/entropy_avg": "Entropy of the policy",
  "loss/policy_avg": "Policy loss",
  "loss/value_avg": "Value loss",
  "val/ratio": "Ratio of new to old policy",
};

/** `eval_` metrics are of the held-out rows; what has no name of its own reads as its key. */
export function metricName(metric: string): string {
  const own = METRIC_NAMES[metric];
  if (own !== undefined) return own;
  if (metric.startsWith("eval_")) return `Held-out ${metricName(metric.slice("eval_".length)).toLowerCase()}`;
  const words = metric.replaceAll(/[_/]+/g, " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
