import { ALGORITHMS, type Algorithm, type GroupAlgorithm, isGroupAlgorithm } from "./algorithm.ts";
import type { AnyField, FieldInfo, Fields, Resolved, Values } from "./field.ts";
import { methodFields } from "./fields/common.ts";
import { dataFields } from "./fields/data.ts";
import { dpoFields } from "./fields/dpo.ts";
import { groupFields } from "./fields/group.ts";
import { loraFields } from "./fields/lora.ts";
import { ppoFields } from "./fields/ppo.ts";
import { rolloutFields } from "./fields/rollout.ts";
import { sftFields } from "./fields/sft.ts";
import { evaluationFields, trainingFields } from "./fields/training.ts";
import type { RewardInput } from "./rewards.ts";

const common = { ...methodFields, ...dataFields, ...trainingFields, ...loraFields, ...evaluationFields };

type SftFields = typeof common & typeof sftFields;
type DpoFields = typeof common & typeof dpoFields;
type RolloutFields = Omit<typeof common, "dataset_name"> & typeof rolloutFields;
type GroupFields = RolloutFields & typeof groupFields;
type PpoFields = RolloutFields & typeof ppoFields;

type Named<C, A extends Algorithm> = Omit<C, "algorithm"> & { readonly algorithm: A };

/** What every run has, whatever the algorithm. */
export type CommonConfig = Omit<Resolved<typeof common>, "dataset_name"> & {
  readonly dataset_name: string | null;
};
export type SftConfig = Named<Resolved<SftFields>, "sft">;
export type DpoConfig = Named<Resolved<DpoFields>, "dpo">;
export type GroupConfig = Named<Resolved<GroupFields>, GroupAlgorithm>;
export type PpoConfig = Named<Resolved<PpoFields>, "ppo">;
/** A complete, checked configuration. `algorithm` tells which settings it has. */
export type RunConfig = SftConfig | DpoConfig | GroupConfig | PpoConfig;

type Loose = "loss_type" | "algorithm" | "rewards";
type Everything = Omit<Values<SftFields>, Loose> &
  Omit<Values<DpoFields>, Loose> &
  Omit<Values<GroupFields>, Loose> &
  Omit<Values<PpoFields>, Loose>;
/** Some settings by their keys, as a program passes them: everything else comes from files, recipes and defaults. */
export type Settings = { readonly [K in keyof Everything]?: Everything[K] | undefined } & {
  readonly algorithm?: Algorithm | (string & NonNullable<unknown>) | undefined;
  readonly loss_type?: string | readonly string[] | undefined;
  readonly rewards?: readonly RewardInput[] | string | undefined;
};

const tables: Readonly<Record<"sft" | "dpo" | "group" | "ppo", Fields>> = {
  sft: { ...common, ...sftFields },
  dpo: { ...common, ...dpoFields },
  group: { ...common, ...rolloutFields, ...groupFields },
  ppo: { ...common, ...rolloutFields, ...ppoFields },
};

/** The settings of one algorithm, by key, in the order of the form. */
export const fieldsOf = (algorithm: Algorithm): Fields =>
  tables[isGroupAlgorithm(algorithm) ? "group" : (algorithm as "sft" | "dpo" | "ppo")];

/** The default of a setting for an algorithm. */
export function defaultOf(field: AnyField, algorithm: Algorithm): unknown {
  const own = field.per[algorithm];
  return own === undefined ? field.default : own;
}

/** Every key that some algorithm knows. */
export const ALL_KEYS: readonly string[] = [
  ...new Set(ALGORITHMS.flatMap((algorithm) => Object.keys(fieldsOf(algorithm)))),
];

/** The algorithms that know a key. */
export const algorithmsWith = (key: string): readonly Algorithm[] =>
  ALGORITHMS.filter((algorithm) => Object.hasOwn(fieldsOf(algorithm), key));

/** A setting as plain data, for the page: it survives structured clone. */
export interface FieldData extends FieldInfo {
  readonly key: string;
  readonly default: unknown;
  readonly suggested: unknown;
}

/** A setting without its check. */
export const describeField = (key: string, field: AnyField, value: unknown): FieldData => ({
  key,
  label: field.label,
  help: field.help,
  group: field.group,
  advanced: field.advanced,
  control: field.control,
  nullable: field.nullable,
  required: field.required,
  ...(field.empty === undefined ? {} : { empty: field.empty }),
  default: value,
  suggested: field.suggested,
});

/** The form of an algorithm: one row a setting, in order, with the algorithm's defaults. */
export const fieldData = (algorithm: Algorithm): readonly FieldData[] =>
  Object.entries(fieldsOf(algorithm)).map(([key, field]) =>
    describeField(key, field, key === "algorithm" ? algorithm : defaultOf(field, algorithm)),
  );
