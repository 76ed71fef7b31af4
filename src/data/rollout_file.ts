import { isRecord } from "../formats/json.ts";
import type { Asset } from "../host/host.ts";
import { AppError } from "../lib/errors.ts";
import type { Row } from "./message.ts";
import { nearest } from "./nearest.ts";
import { RowRefusal } from "./row_fields.ts";
import { ProblemList } from "./row_problem.ts";
import { readRows } from "./rows.ts";

/** One completion of a recorded rollout. */
export interface RecordedCompletion {
  /** Line of the file, counted from 1. */
  readonly line: number;
  /** As it was recorded: text or messages. */
  readonly prompt: unknown;
  readonly promptIds: Int32Array;
  readonly completion: string;
  readonly completionIds: Int32Array;
  /** In the order of the configuration's rewards; null did not apply. */
  readonly rewards: readonly (number | null)[];
  readonly reference: string | null;
}

export interface RolloutFileOptions {
  /** Names of the configuration's rewards: each must be a key of every line's rewards. */
  readonly rewardNames: readonly string[];
  /** Ids must be below it. */
  readonly vocabSize: number;
  /** Lines of one rollout. */
  readonly rolloutSize: number;
  /** Lines that answer one prompt, one after the other; 1 for PPO. */
  readonly groupSize: number;
}

export interface RecordedRollouts {
  /** Whole rollouts in the order of the file. */
  readonly rollouts: readonly (readonly RecordedCompletion[])[];
  /** Lines at the end that make up no whole rollout. */
  readonly unused: number;
}

/**
 * Rollouts that were recorded (rollouts_path): JSON lines with prompt, prompt_ids, completion, completion_ids and rewards,
 * such as every run with rewards writes; other keys are passed over. A line that cannot be used would move all that follow
 * into other rollouts, so that any problem throws `dataset-invalid` with the lines.
 */
export async function readRollouts(asset: Asset, options: RolloutFileOptions): Promise<RecordedRollouts> {
  const file = await readRows(asset, { format: "jsonl" });
  const problems = new ProblemList();
  for (const problem of file.problems) problems.add(problem);
  const completions: RecordedCompletion[] = [];
  file.rows.forEach((row, i) => {
    const line = file.lines[i] ?? i + 1;
    try {
      completions.push(readLine(row, line, options));
    } catch (cause) {
      if (!(cause instanceof RowRefusal)) throw cause;
      problems.add({ line, kind: cause.kind, message: `Line ${line}: ${cause.message}` });
    }
  });
  if (problems.total === 0) addGroupProblems(completions, options.groupSize, problems);
  if (problems.total > 0) throw unusable(asset.name, problems);
  const count = Math.floor(completions.length / options.rolloutSize);
  if (count === 0) {
    throw new AppError(
      "dataset-invalid",
      `${asset.name} has ${completions.length} completions, and one rollout of this configuration needs ${options.rolloutSize}. Record more, or lower batch_size or steps_per_generation.`,
      { details: { file: asset.name, completions: completions.length, rolloutSize: options.rolloutSize } },
    );
  }
  const rollouts = Array.from({ length: count }, (_, r) =>
    completions.slice(r * options.rolloutSize, (r + 1) * options.rolloutSize),
  );
  return { rollouts, unused: completions.length - count * options.rolloutSize };
}

function readLine(row: Row, line: number, options: RolloutFileOptions): RecordedCompletion {
  const { prompt, completion, reference } = row;
  if (typeof prompt !== "string" && !Array.isArray(prompt)) {
    throw new RowRefusal("wrong-type", "`prompt` is neither text nor a list of messages.");
  }
  if (typeof completion !== "string") throw new RowRefusal("wrong-type", "`completion` is no text.");
  return {
    line,
    prompt,
    promptIds: readIds(row, "prompt_ids", options.vocabSize),
    completion,
    completionIds: readIds(row, "completion_ids", options.vocabSize),
    rewards: readRewards(row["rewards"], options.rewardNames),
    reference: typeof reference === "string" ? reference : null,
  };
}

function readIds(row: Row, name: string, vocabSize: number): Int32Array {
  const value = row[name];
  if (value === undefined || value === null)
    throw new RowRefusal("missing-column", `\`${name}\` is missing.`);
  if (!Array.isArray(value)) throw new RowRefusal("wrong-type", `\`${name}\` is no list of token ids.`);
  if (value.length === 0) throw new RowRefusal("empty", `\`${name}\` is empty.`);
  const list: readonly unknown[] = value;
  return Int32Array.from(list, (id) => {
    if (typeof id === "number" && Number.isInteger(id) && id >= 0 && id < vocabSize) return id;
    throw new RowRefusal(
      "wrong-type",
      `\`${name}\` holds ${JSON.stringify(id)}; ids of this model's tokens are whole numbers from 0 to ${vocabSize - 1}. Was it recorded with another model?`,
    );
  });
}

function readRewards(value: unknown, names: readonly string[]): (number | null)[] {
  if (!isRecord(value))
    throw new RowRefusal("missing-column", "`rewards` is no object of values by reward name.");
  return names.map((name) => {
    const reward = Object.hasOwn(value, name) ? value[name] : undefined;
    if (reward === null || (typeof reward === "number" && Number.isFinite(reward))) return reward;
    if (reward !== undefined) {
      throw new RowRefusal(
        "wrong-type",
        `the reward "${name}" is ${JSON.stringify(reward)}, not a number or null.`,
      );
    }
    const known = Object.keys(value);
    const near = nearest(name, known);
    const hint = near === undefined ? "" : ` Did you mean ${near}?`;
    throw new RowRefusal(
      "missing-column",
      `\`rewards\` has no "${name}", which the configuration names; it has ${known.join(", ") || "none"}.${hint}`,
    );
  });
}

/** Advantages compare the lines of a group, which only makes sense where they answer the same prompt. */
function addGroupProblems(
  completions: readonly RecordedCompletion[],
  groupSize: number,
  problems: ProblemList,
): void {
  completions.forEach((completion, i) => {
    const first = completions[i - (i % groupSize)] ?? completion;
    if (sameIds(first.promptIds, completion.promptIds)) return;
    problems.add({
      line: completion.line,
      kind: "group",
      message: `Line ${completion.line} has another prompt than line ${first.line}; ${groupSize} lines (num_generations) form a group that answers one prompt.`,
    });
  });
}

function sameIds(a: Int32Array, b: Int32Array): boolean {
  return a.length === b.length && a.every((id, i) => b[i] === id);
}

function unusable(name: string, problems: ProblemList): AppError {
  const rest = problems.total > 1 ? ` ${problems.total - 1} more lines have problems.` : "";
  return new AppError("dataset-invalid", `${name}: ${problems.kept[0]?.message ?? ""}${rest}`, {
    details: { file: name, problems: problems.kept.slice(0, 20), total: problems.total },
  });
}
