import * as z from "zod/mini";

/** One reward: its value times its weight is added to the sum. `type` names a built-in one, or is `custom` with `code`. */
export interface RewardSpec {
  readonly type: string;
  readonly weight: number;
  readonly params: Readonly<Record<string, unknown>>;
  /** The name under which metrics and tables show it. */
  readonly name?: string | undefined;
  /** Source text of a custom reward, or the function itself when a program passes one. */
  readonly code?: string | ((...values: never[]) => unknown) | undefined;
  readonly language?: "javascript" | "python" | undefined;
}

/** A reward as a program may write it: only the type is needed, and a name or a function alone will do. */
export type RewardInput =
  | string
  | ((...values: never[]) => unknown)
  | (Partial<RewardSpec> & { readonly type: string });

export const isFunction = (value: unknown): value is (...values: never[]) => unknown =>
  typeof value === "function";

export const code = z.union([
  z.string().check(z.minLength(1)),
  z.custom<(...values: never[]) => unknown>(isFunction),
]);

export const rewardSpec = z.strictObject({
  type: z.string().check(z.minLength(1)),
  weight: z.number(),
  params: z.record(z.string(), z.unknown()),
  name: z.optional(z.string().check(z.minLength(1))),
  code: z.optional(code),
  language: z.optional(z.literal(["javascript", "python"])),
});
