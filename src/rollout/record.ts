/**
 * One completion of a rollout as it is kept: shown live, and one line of rollouts.jsonl. Such a file can be trained on again
 * with rollouts_path.
 */
export interface RolloutRecord {
  /** Counts rollouts of the run from 0. */
  readonly rollout: number;
  /** The optimizer step that first learns from it, from 1. */
  readonly step: number;
  /** Completions of one prompt share it; counts prompts of the run from 0. */
  readonly group: number;
  /** The row of the dataset that asked, counted from 0; null when the rollout itself came from a file. */
  readonly row: number | null;
  /** The prompt as text or messages. */
  readonly prompt: unknown;
  readonly prompt_ids: readonly number[];
  readonly completion: string;
  readonly completion_ids: readonly number[];
  /** Each reward's own value, unweighted, by name; null did not apply. */
  readonly rewards: Readonly<Record<string, number | null>>;
  /** The weighted sum; null when no reward applied. */
  readonly reward: number | null;
  /** PPO: the mean over the completion's tokens, before whitening. */
  readonly advantage: number;
  /** Tokens of the completion. */
  readonly length: number;
  /** The length limit cut it off. */
  readonly truncated: boolean;
  readonly reference: string | null;
  /** What rewards had to say that failed on it, by reward. */
  readonly errors?: Readonly<Record<string, string>> | undefined;
}
