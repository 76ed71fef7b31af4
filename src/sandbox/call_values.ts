import type { RewardItem, TrainerState } from "../host/user_code.ts";
import type { Fault, Result } from "./messages.ts";

/** What reward functions are given, by name, and what may come back: the same in every language. */

/** Beside `text` and `reference`, for AlignTune's form `fn(text, reference=None, **kwargs)`. */
export function completionKwargs(item: RewardItem): Record<string, unknown> {
  const { text: _text, reference: _reference, ...columns } = item.row;
  return { ...columns, prompt: item.prompt, completion_ids: item.completionIds, row: item.row };
}

/** For TRL's form `fn(prompts, completions, completion_ids, <columns>, trainer_state, ..., **kwargs)`, without its callbacks. */
export function batchKwargs(
  items: readonly RewardItem[],
  state: TrainerState | null,
): Record<string, unknown> {
  return {
    ...columnsOf(
      items.map(({ row }) => row),
      ["prompt", "completion"],
    ),
    prompts: items.map(({ prompt }) => prompt),
    completions: items.map(({ prompt, completion }) =>
      // As in TRL, the answer to a conversation is a conversation.
      Array.isArray(prompt) ? [{ role: "assistant", content: completion }] : completion,
    ),
    completion_ids: items.map(({ completionIds }) => completionIds),
    trainer_state: state,
  };
}

/** Rows as columns of lists; null where a row lacks a column. */
export function columnsOf(
  rows: readonly Readonly<Record<string, unknown>>[],
  except: readonly string[] = [],
): Record<string, unknown[]> {
  const names = new Set(rows.flatMap((row) => Object.keys(row)));
  for (const name of except) names.delete(name);
  return Object.fromEntries([...names].map((name) => [name, rows.map((row) => row[name] ?? null)]));
}

/** A score as a function may return it: a finite number, true or false, or nothing where the reward does not apply. */
export function readScore(value: unknown): Result {
  if (value === null || value === undefined) return { value: null };
  if (typeof value === "boolean" || typeof value === "bigint") return readScore(Number(value));
  if (typeof value === "number" && Number.isFinite(value)) return { value };
  return { fault: { kind: "not-a-number", message: `returned ${show(value)} instead of a finite number` } };
}

/** The results of a batch function: one for each of `count` completions. */
export function readScores(value: unknown, count: number): readonly Result[] {
  const list =
    Array.isArray(value) || ArrayBuffer.isView(value) ? Array.from(value as ArrayLike<unknown>) : null;
  if (list !== null && list.length === count) return list.map(readScore);
  const actual = list === null ? show(value) : `a list of ${list.length}`;
  const message = `returned ${actual} instead of a list with one number for each of the ${count} completions`;
  return allFail(count, { kind: "wrong-shape", message });
}

export function allFail(count: number, fault: Fault): readonly Result[] {
  return Array.from({ length: count }, () => ({ fault }));
}

/** The columns that a processing function returned, as JSON text. */
export function readColumns(value: unknown, example: string): Result<string> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const what = value === undefined ? "nothing" : show(value);
    return { fault: { kind: "wrong-shape", message: `returned ${what} instead of ${example}` } };
  }
  return { value: JSON.stringify(value) };
}

export const ROW_EXAMPLE = "an object with columns, such as { prompt: ... }";
export const BATCH_EXAMPLE = "an object with a list for each column, such as { prompt: [...] }";

function show(value: unknown): string {
  if (typeof value === "string") return `the text ${JSON.stringify(cut(value))}`;
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object" && value !== null) return `an object (${cut(Object.keys(value).join(", "))})`;
  return String(value);
}

const cut = (text: string): string => (text.length > 40 ? `${text.slice(0, 40)}…` : text);
