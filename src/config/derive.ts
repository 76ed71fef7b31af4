import { type Algorithm, isGroupAlgorithm, usesRewards } from "./algorithm.ts";
import { REWARD_MODEL, type RewardSpec } from "./rewards.ts";

/** Settings while they are being worked out; every key of the algorithm is present. */
export type Draft = Record<string, unknown>;

const num = (draft: Draft, key: string): number => Number(draft[key]);
const fill = (draft: Draft, key: string, value: unknown): void => {
  if (draft[key] === null) draft[key] = value;
};

/** The largest group that divides the rollout and has at most min(8, batch_size) answers, or 8 for a batch of one. */
function generations(batch: number, rollout: number): number {
  const most = batch >= 2 ? Math.min(8, batch) : Math.min(8, rollout);
  for (let size = most; size >= 2; size--) if (rollout % size === 0) return size;
  return Math.max(2, most);
}

function deriveGroup(draft: Draft, algorithm: Algorithm): void {
  const accumulation = num(draft, "gradient_accumulation_steps");
  fill(draft, "steps_per_generation", algorithm === "gspo" ? 4 * accumulation : accumulation);
  const rollout = num(draft, "batch_size") * num(draft, "steps_per_generation");
  fill(draft, "num_generations", generations(num(draft, "batch_size"), rollout));
  const high: Partial<Record<Algorithm, number>> = { dapo: 0.28, gspo: 4e-4 };
  fill(draft, "epsilon_high", high[algorithm] ?? draft["epsilon"]);
  fill(draft, "overlong_buffer", Math.max(1, Math.floor(num(draft, "max_completion_length") / 5)));
}

/** The reward model's score is one more reward, and the only one where none were asked for. */
function deriveRewardModel(draft: Draft, isGiven: (key: string) => boolean): void {
  const { rewards, reward_weights: weights, reward_model_name: model } = draft;
  if (typeof model !== "string" || !Array.isArray(rewards)) return;
  const score: RewardSpec = { type: REWARD_MODEL, weight: 1, params: {} };
  const asked: readonly RewardSpec[] = isGiven("rewards") ? rewards : [];
  if (asked.some(({ type }) => type === REWARD_MODEL)) return;
  draft["rewards"] = [...asked, score];
  if (Array.isArray(weights) && weights.length === asked.length && weights.length > 0) {
    draft["reward_weights"] = [...weights, score.weight];
  }
}

function deriveRollout(draft: Draft, isGiven: (key: string) => boolean): void {
  deriveRewardModel(draft, isGiven);
  fill(
    draft,
    "max_prompt_length",
    Math.max(1, num(draft, "max_seq_length") - num(draft, "max_completion_length")),
  );
  const { rewards, reward_weights: weights } = draft;
  if (Array.isArray(rewards) && Array.isArray(weights) && weights.length === rewards.length) {
    draft["rewards"] = rewards.map((reward: object, i) => ({ ...reward, weight: weights[i] }));
  }
}

function deriveBackend(draft: Draft): void {
  const memoryPath = draft["backend"] === "unsloth";
  if (memoryPath) {
    fill(draft, "load_in_4bit", draft["peft_enabled"] === true);
    fill(draft, "gradient_checkpointing", true);
  } else if (draft["backend"] === "trl") {
    fill(draft, "load_in_4bit", false);
  }
  if (draft["peft_enabled"] === false) fill(draft, "load_in_4bit", false);
}

/**
 * Fills in what follows from other settings. Two prompts lengths given without a maximum length add up to it, since files
 * of trainers that keep them apart have no other.
 */
export function derive(draft: Draft, algorithm: Algorithm, isGiven: (key: string) => boolean): void {
  fill(draft, "data_seed", draft["seed"]);
  fill(draft, "num_cycles", draft["lr_scheduler"] === "cosine_with_restarts" ? 1 : 0.5);
  fill(draft, "eval_strategy", isGiven("eval_steps") ? "steps" : "no");
  fill(draft, "eval_steps", draft["save_steps"]);
  fill(draft, "eval_batch_size", draft["forward_batch_size"] ?? draft["batch_size"]);
  fill(draft, "greater_is_better", !/loss$/.test(String(draft["metric_for_best_model"])));
  deriveBackend(draft);
  if (!usesRewards(algorithm)) return;
  if (!isGiven("max_seq_length") && isGiven("max_prompt_length") && isGiven("max_completion_length")) {
    draft["max_seq_length"] = num(draft, "max_prompt_length") + num(draft, "max_completion_length");
  }
  deriveRollout(draft, isGiven);
  if (isGroupAlgorithm(algorithm)) deriveGroup(draft, algorithm);
  if (draft["rollouts_path"] !== null && !isGiven("dynamic_sampling") && algorithm === "dapo") {
    draft["dynamic_sampling"] = false;
  }
}
