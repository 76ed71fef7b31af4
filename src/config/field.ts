import * as z from "zod/mini";
import type { Algorithm } from "./algorithm.ts";

/** The sections of the form, in order. */
export const GROUPS = {
  method: "Method",
  model: "Model",
  data: "Data",
  rewards: "Rewards",
  training: "Length and batch",
  optimizer: "Optimizer",
  schedule: "Schedule",
  lora: "LoRA",
  loss: "Loss",
  sampling: "Sampling",
  clipping: "KL and clipping",
  evaluation: "Evaluation",
  checkpoints: "Logging and checkpoints",
  samples: "Sample answers",
} as const;
export type Group = keyof typeof GROUPS;

/** What draws a setting. Plain data: it crosses to the page as it is. */
export type Control =
  | {
      readonly kind: "number" | "integer";
      /** Smallest allowed value; `exclusive` says that it is itself not allowed. */
      readonly min: number;
      readonly max: number;
      readonly exclusive?: boolean;
      readonly step?: number;
      readonly unit?: string;
    }
  | { readonly kind: "flag" }
  | { readonly kind: "choice" | "choices"; readonly options: readonly string[] }
  | { readonly kind: "text"; readonly multiline?: boolean; readonly placeholder?: string }
  /** Texts, one a line. `single` says that one text that is not in a list is a value of its own (a pattern). */
  | { readonly kind: "list"; readonly single?: boolean; readonly placeholder?: string }
  | { readonly kind: "numbers" }
  /** Pairs of texts; with `anyValue` a value may be anything that JSON can say. */
  | { readonly kind: "mapping"; readonly anyValue?: boolean; readonly placeholder?: string }
  | { readonly kind: "rewards" }
  /** Further datasets; see dataset_entries.ts. */
  | { readonly kind: "datasets" }
  | { readonly kind: "code"; readonly placeholder?: string };

/** How a setting is described, without its check: everything the page needs to draw it. */
export interface FieldInfo {
  readonly label: string;
  readonly help: string;
  readonly group: Group;
  readonly advanced: boolean;
  readonly control: Control;
  /** May be left empty (null), which then means what `empty` says. */
  readonly nullable: boolean;
  readonly empty?: string;
  /** A run cannot start while it is empty. */
  readonly required: boolean;
}

/** The part of a zod schema that is used: written out so that a field of T is also a field of unknown. */
export interface Check<T> {
  safeParse(value: unknown):
    | { success: true; data: T }
    | {
        success: false;
        error: { issues: readonly { code: string; path: readonly PropertyKey[]; message: string }[] };
      };
}

/**
 * One setting. T is what a file or form holds; R is what a run holds, which differs when null means "worked out from the
 * other settings": the trainer then always sees a value.
 */
export interface Field<T, R = T> extends FieldInfo {
  readonly check: Check<T>;
  readonly default: T;
  /** What an empty field becomes when a person starts to fill it. */
  readonly suggested: NonNullable<T>;
  /** Defaults that differ by algorithm. */
  readonly per: Partial<Record<Algorithm, T>>;
  /** Other spellings of a value, and the value that they mean. */
  readonly spellings: Readonly<Record<string, unknown>>;
  /** Never set. It carries R for the type checker. */
  readonly resolved?: R;
}

export type AnyField = Field<unknown, unknown>;
export type Fields = Readonly<Record<string, AnyField>>;

export type ValueOf<F> = F extends { readonly default: infer T } ? T : never;
export type ResolvedOf<F> = F extends { readonly resolved?: infer R } ? Exclude<R, undefined> : never;
export type Values<F> = { readonly [K in keyof F]: ValueOf<F[K]> };
export type Resolved<F> = { readonly [K in keyof F]: ResolvedOf<F[K]> };

interface Words<T> {
  readonly label: string;
  readonly help: string;
  readonly group: Group;
  /** Shown in the short form too. */
  readonly basic?: boolean;
  readonly per?: Partial<Record<Algorithm, T>>;
  readonly spellings?: Readonly<Record<string, unknown>>;
}

interface Range {
  readonly min?: number;
  readonly above?: number;
  readonly max?: number;
  readonly step?: number;
  readonly unit?: string;
}

export function make<T>(
  value: T & NonNullable<unknown>,
  words: Words<T>,
  control: Control,
  check: z.ZodMiniType<T>,
): Field<T> {
  return {
    label: words.label,
    help: words.help,
    group: words.group,
    advanced: words.basic !== true,
    control,
    nullable: false,
    required: false,
    check,
    default: value,
    suggested: value as NonNullable<T>,
    per: words.per ?? {},
    spellings: words.spellings ?? {},
  };
}

function range(kind: "number" | "integer", words: Range): Extract<Control, { kind: "number" | "integer" }> {
  const { min, above, max, step, unit } = words;
  return {
    kind,
    min: above ?? min ?? 0,
    max: max ?? (kind === "integer" ? 1e9 : 1e12),
    ...(above === undefined ? {} : { exclusive: true }),
    ...(step === undefined ? {} : { step }),
    ...(unit === undefined ? {} : { unit }),
  };
}

export function number(value: number, words: Words<number> & Range): Field<number> {
  const control = range("number", words);
  const low = control.exclusive ? z.gt(control.min) : z.gte(control.min);
  return make(value, words, control, z.number().check(low, z.lte(control.max)));
}

export function integer(value: number, words: Words<number> & Range): Field<number> {
  const control = range("integer", words);
  return make(value, words, control, z.int().check(z.gte(control.min), z.lte(control.max)));
}

export const flag = (value: boolean, words: Words<boolean>): Field<boolean> =>
  make(value, words, { kind: "flag" }, z.boolean());

export const choice = <const O extends string>(
  value: NoInfer<O>,
  options: readonly O[],
  words: Words<NoInfer<O>>,
): Field<O> =>
  make<O>(value, words, { kind: "choice", options }, z.literal([...options]) as z.ZodMiniType<O>);

/** One or several of the options; one alone may be written without a list. */
export const choices = <const O extends string>(
  value: readonly NoInfer<O>[],
  options: readonly O[],
  words: Words<readonly NoInfer<O>[]>,
): Field<readonly O[]> =>
  make<readonly O[]>(
    value,
    words,
    { kind: "choices", options },
    z.array(z.literal([...options]) as z.ZodMiniType<O>).check(z.minLength(1)),
  );

export const text = (
  value: string,
  words: Words<string> & { placeholder?: string; multiline?: boolean },
): Field<string> => {
  const { placeholder, multiline } = words;
  const control = {
    kind: "text" as const,
    ...(placeholder === undefined ? {} : { placeholder }),
    ...(multiline === undefined ? {} : { multiline }),
  };
  return make(value, words, control, z.string().check(z.minLength(1)));
};

export const list = (
  value: readonly string[],
  words: Words<readonly string[]> & { placeholder?: string },
): Field<readonly string[]> => {
  const control = { kind: "list" as const, ...(words.placeholder ? { placeholder: words.placeholder } : {}) };
  return make<readonly string[]>(value, words, control, z.array(z.string().check(z.minLength(1))));
};

export const numbers = (
  value: readonly number[],
  words: Words<readonly number[]>,
): Field<readonly number[]> =>
  make<readonly number[]>(value, words, { kind: "numbers" }, z.array(z.number()));

/** May be empty, and then stays empty in the run. */
export const nullable = <T>(field: Field<T>, empty: string): Field<T | null> => ({
  ...field,
  nullable: true,
  empty,
  check: z.nullable(field.check as z.ZodMiniType<T>),
  default: null,
});

/** May be empty, and is then worked out from the other settings, so that a run always has a value. */
export const automatic = <T>(field: Field<T>, empty: string): Field<T | null, T> => ({
  ...field,
  nullable: true,
  empty,
  check: z.nullable(field.check as z.ZodMiniType<T>),
  default: null,
});

/** Has no default: a run cannot start without it. */
export const required = <T>(field: Field<T>): Field<T | null, T> => ({
  ...automatic(field, "Not chosen yet."),
  required: true,
});
