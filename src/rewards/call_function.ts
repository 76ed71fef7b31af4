import type { RewardItem, Scored, UserError } from "../host/user_code.ts";
import { parametersOf } from "./parameters.ts";

type AnyFunction = (...values: never[]) => unknown;
/** All completions of a rollout; as many results, in order. */
export type ScoreMany = (items: readonly RewardItem[]) => Promise<readonly Scored[]>;

const BATCH_NAMES = ["prompts", "completions", "completion_ids"];

const describe = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : String(error);
const failed = (kind: UserError["kind"], message: string): Scored => ({
  value: null,
  error: { kind, message },
});
export const threw = (error: unknown): Scored => failed("threw", describe(error));

function show(value: unknown): string {
  if (typeof value === "string") return `the text ${JSON.stringify(value.slice(0, 40))}`;
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return typeof value === "object" && value !== null ? "an object" : String(value);
}

/** A score as a function may return it: a finite number, true or false, or nothing where the reward does not apply. */
export function readScore(value: unknown): Scored {
  if (value === null || value === undefined) return { value: null };
  if (typeof value === "boolean") return { value: Number(value) };
  if (typeof value === "number" && Number.isFinite(value)) return { value };
  return failed("not-a-number", `returned ${show(value)} instead of a finite number`);
}

/** The scores of a batch; a list of another length says nothing about any of them. */
export function readScores(value: unknown, count: number): readonly Scored[] {
  if (Array.isArray(value) && value.length === count) return value.map(readScore);
  const message = `returned ${show(value)} instead of a list with one number for each of the ${count} completions`;
  return Array.from({ length: count }, () => failed("wrong-shape", message));
}

/** The columns of the rows as lists, as TRL passes them; null where a row lacks one. */
function columns(items: readonly RewardItem[]): Record<string, readonly unknown[]> {
  const names = new Set(items.flatMap(({ row }) => Object.keys(row)));
  return Object.fromEntries([...names].map((name) => [name, items.map(({ row }) => row[name] ?? null)]));
}

function batchValues(items: readonly RewardItem[]): Readonly<Record<string, unknown>> {
  return {
    ...columns(items),
    prompts: items.map(({ prompt }) => prompt),
    // As in TRL, the answer to a conversation is a conversation.
    completions: items.map(({ prompt, completion }) =>
      Array.isArray(prompt) ? [{ role: "assistant", content: completion }] : completion,
    ),
    completion_ids: items.map(({ completionIds }) => completionIds),
  };
}

/**
 * A function that a program passed, called in either of two forms: `fn(text, reference, { prompt, completion_ids, row,
 * ...columns })` for each completion (one object with all of it when its first parameter is a pattern), or TRL's for the
 * whole rollout, when its first parameter is prompts, completions or completion_ids: then each parameter gets what its name
 * says, and any other name everything.
 */
export function callFunction(fn: AnyFunction): ScoreMany {
  const call = fn as (...values: unknown[]) => unknown;
  const parameters = parametersOf(fn);
  const [first] = parameters;
  const isBatch = first?.keys?.includes("completions") ?? BATCH_NAMES.includes(first?.name ?? "");
  if (isBatch) {
    return async (items) => {
      const values = batchValues(items);
      const given = parameters.map(({ name }) =>
        name !== undefined && Object.hasOwn(values, name) ? values[name] : values,
      );
      try {
        return readScores(await call(...given), items.length);
      } catch (error) {
        return items.map(() => threw(error));
      }
    };
  }
  const one = async (item: RewardItem): Promise<Scored> => {
    const { completion: text, reference, prompt, row, completionIds } = item;
    const more = { ...row, prompt, completion_ids: completionIds, row };
    try {
      const all = { ...more, text, completion: text, reference };
      return readScore(await (first?.keys ? call(all) : call(text, reference, more)));
    } catch (error) {
      return threw(error);
    }
  };
  return async (items) => {
    const scored: Scored[] = [];
    for (const item of items) scored.push(await one(item));
    return scored;
  };
}
