import * as z from "zod/mini";
import type { RewardLanguage } from "./reward_source.ts";

/** The type of the reward whose value is the score of reward_model_name. */
export const REWARD_MODEL = "reward_model";

/** One reward: its value times its weight is added to the sum. `type` names a built-in one, is `custom` with `code` or `file`, or REWARD_MODEL. */
export interface RewardSpec {
  readonly type: string;
  readonly weight: number;
  readonly params: Readonly<Record<string, unknown>>;
  /** The name under which metrics and tables show it. */
  readonly name?: string | undefined;
  /** Source text of a custom reward, or the function itself when a program passes one. */
  readonly code?: string | ((...values: never[]) => unknown) | undefined;
  readonly language?: RewardLanguage | undefined;
  /** The file that holds a custom reward, relative to the configuration file. */
  readonly file?: string | undefined;
  /** The function to call, of `file` or `code`; the only one, or the last, when absent. */
  readonly function?: string | undefined;
  /** Whether the value is made relative to the rollout's: (value - mean) / (standard deviation + 1e-4). */
  readonly normalize?: boolean | undefined;
  /** Bounds of the value, after `normalize`; null is open. */
  readonly clip?: readonly [number | null, number | null] | undefined;
}

/** A reward as a program may write it: only the type is needed, and a name or a function alone will do. */
export type RewardInput =
  | string
  | ((...values: never[]) => unknown)
  | (Partial<Omit<RewardSpec, "clip">> & {
      readonly type: string;
      readonly clip?: number | RewardSpec["clip"];
    });

export const isFunction = (value: unknown): value is (...values: never[]) => unknown =>
  typeof value === "function";

export const code = z.union([
  z.string().check(z.minLength(1)),
  z.custom<(...values: never[]) => unknown>(isFunction),
]);

const bound = z.nullable(z.number());

export const rewardSpec = z.strictObject({
  type: z.string().check(z.minLength(1)),
  weight: z.number(),
  params: z.record(z.string(), z.unknown()),
  name: z.optional(z.string().check(z.minLength(1))),
  code: z.optional(code),
  language: z.optional(z.literal(["javascript", "typescript", "python"])),
  file: z.optional(z.string().check(z.minLength(1))),
  function: z.optional(z.string().check(z.minLength(1))),
  normalize: z.optional(z.boolean()),
  clip: z.optional(z.tuple([bound, bound])),
});

/** Everything that a reward may hold. */
export const REWARD_KEYS: readonly string[] = Object.keys(rewardSpec.shape);

/**
 * A name for each reward, all different: its own, else the function's, else its type. Where two would be the same, the later
 * one gets _2, _3 and so on, in order.
 */
export function rewardNames(rewards: readonly RewardSpec[]): readonly string[] {
  const wanted = rewards.map(
    ({ name, type, function: fn }) => name ?? (type === "custom" ? fn : undefined) ?? type,
  );
  const taken = new Set<string>();
  return wanted.map((name, i) => {
    let unique = name;
    for (let n = 2; taken.has(unique) || (unique !== name && wanted.includes(unique, i)); n++) {
      unique = `${name}_${n}`;
    }
    taken.add(unique);
    return unique;
  });
}
