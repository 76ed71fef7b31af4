import type { RunConfig } from "../config/fields.ts";
import type { RewardSpec } from "../config/rewards.ts";
import { openModelFolder } from "../formats/model_folder.ts";
import type { Host } from "../host/host.ts";
import type { RewardItem, UserError } from "../host/user_code.ts";
import { AppError } from "../lib/errors.ts";
import type { RewardTrialResult } from "../protocol/messages.ts";
import { loadTextTools } from "../trainer/prepare_data.ts";
import { readDataset } from "./read_dataset.ts";
import { referenceOf } from "./row_texts.ts";

/** One answer as the rewards of a run would see it. */
export interface TriedAnswer extends RewardItem {
  /** The length limit would have cut it off. */
  readonly truncated: boolean;
}

/** Scores one answer with one reward, in the sandbox when it is a person's own code. Never rejects for what that code does. */
export type ScoreAnswer = (
  reward: RewardSpec,
  answer: TriedAnswer,
  run: { readonly maxCompletionLength: number },
) => Promise<{
  readonly value: number | null;
  readonly error?: UserError | undefined;
  readonly logs: readonly string[];
}>;

/** Here the scorer of the rewards is wired. While there is none, the page offers no trial. */
export const scoreAnswer: ScoreAnswer | undefined = undefined;

interface Trial {
  readonly reward: number;
  readonly row: number;
  readonly completion: string;
}

/** Throws `config-invalid` when there is no such reward, `dataset-invalid` when there is no such row. */
export async function tryReward(
  host: Pick<Host, "openModel" | "openDataset" | "now">,
  config: RunConfig,
  { reward, row, completion }: Trial,
  score: ScoreAnswer | undefined = scoreAnswer,
): Promise<RewardTrialResult> {
  const spec = "rewards" in config ? config.rewards[reward] : undefined;
  if (!spec || !("max_completion_length" in config) || !score)
    throw new AppError("config-invalid", `There is no reward ${reward + 1} to try.`);
  const { folder } = await openModelFolder(await host.openModel(config.model_name));
  const tools = await loadTextTools(folder, config);
  const { set, train, validation, test } = await readDataset(host, config, tools.template !== undefined);
  const rows = [...train, ...validation, ...test].toSorted((a, b) => a.rowIndex - b.rowIndex);
  const example = rows[row];
  if (example?.kind !== "prompt")
    throw new AppError("dataset-invalid", `There are ${rows.length} rows; row ${row + 1} is not among them.`);
  const completionIds = [...tools.tokenizer.encode(completion, { addSpecialTokens: false })];
  const maxCompletionLength = config.max_completion_length;
  const answer = {
    ...{ prompt: example.prompt, completion, completionIds, row: example.row },
    reference: referenceOf(example, set.mapping),
    truncated: completionIds.length > maxCompletionLength,
  };
  const began = host.now();
  const { value, error, logs } = await score(spec, answer, { maxCompletionLength });
  return {
    ...{ value, logs, milliseconds: host.now() - began },
    error: error ? { message: error.message, line: error.line ?? null } : null,
  };
}
