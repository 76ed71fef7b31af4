import { ALGORITHM_TITLES, ALGORITHMS, type Algorithm, parseAlgorithm } from "./algorithm.ts";
import { algorithmsWith, fieldsOf } from "./fields.ts";
import type { ConfigIssue, Place } from "./issues.ts";
import { REWARD_EXTRAS } from "./read_reward.ts";
import { readValue, show } from "./read_value.ts";
import { nearest } from "./suggest.ts";

export interface UsedEntry extends Place {
  readonly key: string;
  readonly value: unknown;
}
export interface ChangedEntry extends Place {
  readonly key: string;
  readonly from: unknown;
  readonly to: unknown;
  readonly why: string;
}
export interface NotUsedEntry extends Place {
  readonly why: string;
}

export interface Found extends Place {
  readonly key: string;
  readonly value: unknown;
  readonly why: string;
  /** A recipe's description gives way to its configuration. */
  readonly weak: boolean;
  readonly canonical: boolean;
}

export interface Sink {
  readonly algorithm: Algorithm;
  readonly lineOf: (path: readonly (string | number)[]) => number | undefined;
  readonly found: Found[];
  readonly changed: ChangedEntry[];
  readonly notUsed: NotUsedEntry[];
  readonly problems: ConfigIssue[];
}

const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const same = (a: unknown, b: unknown): boolean =>
  a === b || (typeof a !== "function" && JSON.stringify(a) === JSON.stringify(b));

/** Of several entries for one setting: our own name wins over others, a value over nothing; else it is a contradiction. */
function settle(sink: Sink, entries: readonly Found[]): Found | undefined {
  const rank = (entry: Found) =>
    (entry.weak ? 0 : 4) +
    (entry.value === null || entry.value === undefined ? 0 : 2) +
    (entry.canonical ? 1 : 0);
  const [winner, ...losers] = [...entries].sort((a, b) => rank(b) - rank(a));
  if (!winner) return undefined;
  for (const loser of losers) {
    const { path, line } = loser;
    if (same(loser.value, winner.value) || rank(loser) < rank(winner)) {
      sink.notUsed.push({ path, line, why: `${winner.path} sets ${winner.key} as well.` });
    } else {
      const message = `${path} (${show(loser.value)}) and ${winner.path} (${show(winner.value)}) both set ${winner.key}. Keep one of them.`;
      sink.problems.push({ path, line, message });
    }
  }
  return winner;
}

function readAlgorithm(sink: Sink, entry: Found): Algorithm | undefined {
  const algorithm = typeof entry.value === "string" ? parseAlgorithm(entry.value) : undefined;
  if (algorithm) return algorithm;
  const { path, line } = entry;
  const suggestion = typeof entry.value === "string" ? nearest(entry.value, ALGORITHMS) : undefined;
  const message = `${path} must be one of ${ALGORITHMS.join(", ")}; here it is ${show(entry.value)}.`;
  sink.problems.push({ path, line, message, suggestion });
  return undefined;
}

interface Accepted {
  readonly value: unknown;
  readonly why: string;
}

/** A setting of another method is not wrong, it only does nothing here: switching methods back and forth keeps files valid. */
function noteForeign(sink: Sink, { key, path, line }: Found): void {
  const titles = algorithmsWith(key).map((algorithm) => ALGORITHM_TITLES[algorithm]);
  const why = `It belongs to ${titles.join(", ")}; this run is ${ALGORITHM_TITLES[sink.algorithm]}.`;
  sink.notUsed.push({ path, line, why });
}

function noteRewardExtras(sink: Sink, entry: Found): void {
  if (!Array.isArray(entry.value)) return;
  for (const [i, reward] of entry.value.entries()) {
    if (!isMapping(reward)) continue;
    for (const [name, why] of Object.entries(REWARD_EXTRAS)) {
      const path = `${entry.path}.${i}.${name}`;
      const line = sink.lineOf(path.split(".")) ?? entry.line;
      if (reward[name] !== undefined) sink.notUsed.push({ path, line, why });
    }
  }
}

/** Where the parts of each reward were written, so that later checks can point there. */
function placeRewards(sink: Sink, entry: Found, at: Record<string, Place>): void {
  if (!Array.isArray(entry.value)) return;
  const add = (...steps: readonly (string | number)[]): void => {
    const path = [entry.path, ...steps].join(".");
    at[["rewards", ...steps].join(".")] = { path, line: sink.lineOf(path.split(".")) ?? entry.line };
  };
  for (const [i, reward] of entry.value.entries()) {
    if (!isMapping(reward)) continue;
    for (const key of Object.keys(reward)) add(i, key);
    for (const key of isMapping(reward["params"]) ? Object.keys(reward["params"]) : []) add(i, "params", key);
  }
}

function acceptAlgorithm(sink: Sink, entry: Found): Accepted | undefined {
  const value = readAlgorithm(sink, entry);
  return value && { value, why: value === entry.value ? "" : "Another spelling of the same." };
}

function accept(sink: Sink, entry: Found): Accepted | undefined {
  if (entry.key === "algorithm") return acceptAlgorithm(sink, entry);
  const field = fieldsOf(sink.algorithm)[entry.key];
  if (!field) return void noteForeign(sink, entry);
  if (entry.key === "rewards") noteRewardExtras(sink, entry);
  const reading = readValue(entry.key, field, entry.value);
  const { path, line } = entry;
  if (reading.ok === "absent") {
    sink.notUsed.push({ path, line, why: "It is empty, so the default stands." });
    return undefined;
  }
  if (!reading.ok) {
    const inside = reading.inner === undefined ? path : `${path}.${reading.inner}`;
    const at = { path: inside, line: sink.lineOf(inside.split(".")) ?? line };
    sink.problems.push({ ...at, message: reading.message, suggestion: reading.suggestion });
    return undefined;
  }
  return { value: reading.value, why: [entry.why, reading.why].filter(Boolean).join(" ") };
}

/** One value a setting, in our form; the rest is accounted for. */
export function collect(sink: Sink): {
  readonly values: Readonly<Record<string, unknown>>;
  readonly at: Readonly<Record<string, Place>>;
  readonly used: readonly UsedEntry[];
  readonly changed: readonly ChangedEntry[];
  readonly notUsed: readonly NotUsedEntry[];
  readonly problems: readonly ConfigIssue[];
} {
  const values: Record<string, unknown> = {};
  const at: Record<string, Place> = {};
  const used: UsedEntry[] = [];
  for (const key of new Set(sink.found.map((entry) => entry.key))) {
    const entry = settle(
      sink,
      sink.found.filter((found) => found.key === key),
    );
    const result = entry && accept(sink, entry);
    if (!result) continue;
    const { path, line } = entry;
    values[key] = result.value;
    at[key] = { path, line };
    if (key === "rewards") placeRewards(sink, entry, at);
    if (result.why === "") used.push({ path, line, key, value: result.value });
    else sink.changed.push({ path, line, key, from: entry.value, to: result.value, why: result.why });
  }
  return { values, at, used, changed: sink.changed, notUsed: sink.notUsed, problems: sink.problems };
}
