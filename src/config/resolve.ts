import { ALGORITHMS, type Algorithm, parseAlgorithm, usesRewards } from "./algorithm.ts";
import { checkRewards } from "./check_rewards.ts";
import { type Draft, derive } from "./derive.ts";
import type { AnyField } from "./field.ts";
import { ALL_KEYS, defaultOf, fieldsOf, type RunConfig } from "./fields.ts";
import { type ConfigIssue, configInvalid, type Place } from "./issues.ts";
import { readValue, show } from "./read_value.ts";
import type { RewardSpec } from "./rewards.ts";
import { checkRules } from "./rules.ts";
import { nearest } from "./suggest.ts";

/** Settings from one origin, under our keys. */
export interface Layer {
  readonly values: Readonly<Record<string, unknown>>;
  /** Where each was written, so that a message can point there. */
  readonly at?: Readonly<Record<string, Place>>;
  /** What could not be read there: a run does not start past it. An `ImportReview` is a layer with all three. */
  readonly problems?: readonly ConfigIssue[];
}

/** From the strongest to the weakest: what a person said last wins. */
export interface Layers {
  readonly override?: Layer | undefined;
  readonly file?: Layer | undefined;
  readonly recipe?: Layer | undefined;
}
export const SOURCES = ["override", "file", "recipe", "default"] as const;
export type Source = (typeof SOURCES)[number];

export interface Origin extends Partial<Place> {
  readonly value: unknown;
  readonly source: Source;
  /** Worked out from other settings rather than a fixed default. */
  readonly derived?: true;
}

export interface Resolution {
  /** Present when nothing is wrong. */
  readonly config: RunConfig | undefined;
  readonly algorithm: Algorithm;
  /** Where each value came from, also when something is wrong elsewhere. */
  readonly origins: Readonly<Record<string, Origin>>;
  readonly issues: readonly ConfigIssue[];
  /** Worth knowing, and no obstacle. */
  readonly notes: readonly ConfigIssue[];
}

const NAMED = ["override", "file", "recipe"] as const;

interface Given extends Place {
  readonly value: unknown;
  readonly source: Source;
}

function givenFor(layers: Layers, key: string): Given | undefined {
  for (const source of NAMED) {
    const layer = layers[source];
    const value = layer && Object.hasOwn(layer.values, key) ? layer.values[key] : undefined;
    if (value !== undefined) return { ...(layer?.at?.[key] ?? { path: key }), value, source };
  }
  return undefined;
}

function findAlgorithm(layers: Layers, issues: ConfigIssue[]): Algorithm {
  const given = givenFor(layers, "algorithm");
  if (given === undefined || given.value === null) return "sft";
  const algorithm = typeof given.value === "string" ? parseAlgorithm(given.value) : undefined;
  if (algorithm) return algorithm;
  const suggestion = typeof given.value === "string" ? nearest(given.value, ALGORITHMS) : undefined;
  const message = `algorithm must be one of ${ALGORITHMS.join(", ")}; here it is ${show(given.value)}.`;
  issues.push({ path: given.path, line: given.line, message, suggestion });
  return "sft";
}

function readGiven(key: string, field: AnyField, given: Given, issues: ConfigIssue[]): Origin | undefined {
  const { path, line, source } = given;
  const reading = readValue(key, field, given.value);
  if (reading.ok === "absent") return undefined;
  if (reading.ok) return { value: reading.value, source, path, line };
  const inner = reading.inner === undefined ? path : `${path}.${reading.inner}`;
  issues.push({ path: inner, line, message: reading.message, suggestion: reading.suggestion });
  return undefined;
}

function noteStrangers(
  layers: Layers,
  algorithm: Algorithm,
  issues: ConfigIssue[],
  notes: ConfigIssue[],
): void {
  const fields = fieldsOf(algorithm);
  for (const source of NAMED) {
    for (const key of Object.keys(layers[source]?.values ?? {})) {
      if (Object.hasOwn(fields, key) || layers[source]?.values[key] === undefined) continue;
      const at = layers[source]?.at?.[key] ?? { path: key };
      if (ALL_KEYS.includes(key)) notes.push({ ...at, message: `${key} is not used by ${algorithm}.` });
      else
        issues.push({
          ...at,
          message: `${key} is not a setting.`,
          suggestion: nearest(key, Object.keys(fields)),
        });
    }
  }
}

function missing(draft: Draft, algorithm: Algorithm): ConfigIssue[] {
  const issues: ConfigIssue[] = [];
  const add = (path: string, message: string) => issues.push({ path, message });
  if (draft["model_name"] === null)
    add("model_name", "model_name is missing: say which model to train, such as Qwen/Qwen3-0.6B.");
  const needsRows = !usesRewards(algorithm) || draft["rollouts_path"] === null;
  if (draft["dataset_name"] === null && needsRows) {
    add(
      "dataset_name",
      "dataset_name is missing: say which dataset or file to learn from, such as openai/gsm8k.",
    );
  }
  return issues;
}

/** Rewards of recorded rollouts are names only: their values are in the file. */
function settleRewards(
  draft: Draft,
  origins: Readonly<Record<string, Origin>>,
  layers: Layers,
  issues: ConfigIssue[],
  notes: ConfigIssue[],
): void {
  const { rewards: given } = draft;
  if (!Array.isArray(given) || draft["rollouts_path"] !== null) return;
  const { source, path = "rewards", line } = origins["rewards"] ?? { source: "default" };
  const at = source === undefined || source === "default" ? undefined : layers[source]?.at;
  const { rewards, findings } = checkRewards(given as readonly RewardSpec[]);
  draft["rewards"] = rewards;
  for (const { inner, message, suggestion, note } of findings) {
    const place = at?.[`rewards.${inner}`] ?? { path: `${path}.${inner}`, line };
    (note ? notes : issues).push({ ...place, message, suggestion });
  }
}

const isSaid = (origin: Origin | undefined): boolean =>
  origin !== undefined && origin.source !== "default" && origin.value !== null;

function findOrigins(layers: Layers, algorithm: Algorithm, issues: ConfigIssue[]): Record<string, Origin> {
  const origins: Record<string, Origin> = {};
  for (const [key, field] of Object.entries(fieldsOf(algorithm))) {
    const given = givenFor(layers, key);
    if (key === "algorithm") {
      origins[key] = given ? { ...given, value: algorithm } : { value: algorithm, source: "default" };
    } else {
      const origin = given && readGiven(key, field, given, issues);
      origins[key] = origin ?? { value: defaultOf(field, algorithm), source: "default" };
    }
  }
  return origins;
}

function markDerived(origins: Record<string, Origin>, draft: Draft): void {
  for (const [key, origin] of Object.entries(origins)) {
    const value = draft[key];
    if (origin.value === value) continue;
    const empty = origin.value === null || origin.source === "default";
    origins[key] = empty ? { value, source: "default", derived: true } : { ...origin, value };
  }
}

/**
 * Puts the layers together, fills in what follows from other settings, and checks all of it. Never throws: everything that
 * is wrong comes back at once, each with its place.
 */
export function resolve(layers: Layers): Resolution {
  const issues: ConfigIssue[] = NAMED.flatMap((source) => layers[source]?.problems ?? []);
  const notes: ConfigIssue[] = [];
  const algorithm = findAlgorithm(layers, issues);
  noteStrangers(layers, algorithm, issues, notes);
  const origins = findOrigins(layers, algorithm, issues);
  const given = new Set(Object.keys(origins).filter((key) => isSaid(origins[key])));
  const isGiven = (key: string): boolean => given.has(key);
  const draft: Draft = Object.fromEntries(Object.entries(origins).map(([key, { value }]) => [key, value]));
  settleRewards(draft, origins, layers, issues, notes);
  derive(draft, algorithm, isGiven);
  markDerived(origins, draft);
  issues.push(...missing(draft, algorithm));
  const config = draft as unknown as RunConfig;
  for (const { key, message, note } of checkRules(config, isGiven)) {
    const { path = key, line } = origins[key] ?? {};
    (note ? notes : issues).push({ path, line, message });
  }
  return { config: issues.length === 0 ? config : undefined, algorithm, origins, issues, notes };
}

/** As `resolve`, but throws `config-invalid` with all issues when anything is wrong. */
export function resolveOrThrow(layers: Layers): Resolution & { readonly config: RunConfig } {
  const resolution = resolve(layers);
  if (resolution.config === undefined) throw configInvalid(resolution.issues);
  return { ...resolution, config: resolution.config };
}
