import { type Algorithm, parseAlgorithm } from "./algorithm.ts";
import { knownNames, meaningOf, plainName, SECTIONS } from "./aliases.ts";
import type { Converted } from "./conversions.ts";
import { ENTRY_KEYS, readDatasetEntry } from "./dataset_entries.ts";
import type { ConfigIssue, Place } from "./issues.ts";
import { show } from "./read_value.ts";
import { type ChangedEntry, collect, type NotUsedEntry, type Sink, type UsedEntry } from "./settle.ts";
import { nearest } from "./suggest.ts";

/** What was understood of a configuration, entry by entry. Nothing is dropped in silence. */
export interface ImportReview {
  /** The method that the configuration names, when it names one. */
  readonly algorithm: Algorithm | undefined;
  /** Flat settings under our keys, checked one by one (not against one another: `resolve` does that). */
  readonly values: Readonly<Record<string, unknown>>;
  /** Where each of them was written. */
  readonly at: Readonly<Record<string, Place>>;
  readonly used: readonly UsedEntry[];
  readonly changed: readonly ChangedEntry[];
  readonly notUsed: readonly NotUsedEntry[];
  readonly problems: readonly ConfigIssue[];
}

export interface ReadOptions {
  /** The method to read by when the configuration names none. */
  readonly algorithm?: Algorithm | undefined;
  /** The 1-based line of a path of the source. */
  readonly lineOf?: (path: readonly (string | number)[]) => number | undefined;
}

type Path = readonly (string | number)[];
const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const place = (sink: Sink, path: Path): Place => ({ path: path.join("."), line: sink.lineOf(path) });

function addLeaf(sink: Sink, path: Path, name: string, value: unknown, section: string): void {
  const at = place(sink, path);
  const weak = section === "recipe";
  const meaning = meaningOf(name, section, sink.algorithm);
  if (meaning === undefined) {
    const suggestion = nearest(name, knownNames(sink.algorithm));
    sink.problems.push({ ...at, message: `${name} is not a setting.`, suggestion });
  } else if (meaning.kind === "unused") {
    sink.notUsed.push({ ...at, why: meaning.why });
  } else if (meaning.kind === "setting") {
    sink.found.push({
      ...at,
      key: meaning.key,
      value,
      why: "",
      weak,
      canonical: plainName(name) === meaning.key,
    });
  } else {
    const result = meaning.convert(value, sink.algorithm);
    if ("refused" in result) sink.problems.push({ ...at, message: result.refused });
    else if ("unused" in result) sink.notUsed.push({ ...at, why: result.unused });
    else {
      for (const [key, to] of Object.entries(result.set)) {
        sink.found.push({ ...at, key, value: to, why: result.why, weak, canonical: plainName(name) === key });
      }
    }
  }
}

/** The first dataset's settings are those of the run; the others are `more_datasets`. */
function walkList(sink: Sink, list: readonly unknown[], path: Path, section: string): boolean {
  const [first, ...others] = list.map(readDatasetEntry);
  if (section !== "dataset" || !isMapping(first) || !others.every(isMapping)) return false;
  walk(sink, first, [...path, 0], section);
  if (others.length === 0) return true;
  const value = others.map((entry, i) => readEntry(sink, entry, [...path, i + 1]));
  const at = place(sink, [...path, 1]);
  sink.found.push({ ...at, key: "more_datasets", value, why: "", weak: false, canonical: true });
  return true;
}

/** A further dataset under our names; what it cannot have for itself is accounted for. */
function readEntry(
  sink: Sink,
  given: Readonly<Record<string, unknown>>,
  base: Path,
): Record<string, unknown> {
  const entry: Record<string, unknown> = {};
  for (const [written, value] of Object.entries(given)) {
    const at = place(sink, [...base, written]);
    const read = readEntryValue(sink, written, value);
    if ("refused" in read) sink.problems.push({ ...at, message: read.refused, suggestion: read.suggestion });
    else if ("unused" in read) sink.notUsed.push({ ...at, why: read.unused });
    else {
      for (const [key, to] of Object.entries(read.set)) {
        const own = ENTRY_KEYS[key];
        if (own !== undefined) entry[own] = to;
        else sink.notUsed.push({ ...at, why: `${key} is one for all datasets; that of the first holds.` });
      }
    }
  }
  return entry;
}

function readEntryValue(
  sink: Sink,
  written: string,
  value: unknown,
): Converted & { readonly suggestion?: string | undefined } {
  const meaning = meaningOf(written, "dataset", sink.algorithm);
  switch (meaning?.kind) {
    case "setting":
      return { set: { [meaning.key]: value }, why: "" };
    case "conversion":
      return meaning.convert(value, sink.algorithm);
    case "unused":
      return { unused: meaning.why };
    case undefined:
      return {
        refused: `${written} is not a setting of a dataset.`,
        suggestion: nearest(written, Object.values(ENTRY_KEYS)),
      };
  }
}

function walk(sink: Sink, mapping: Readonly<Record<string, unknown>>, base: Path, section: string): void {
  for (const [written, value] of Object.entries(mapping)) {
    if (value === undefined) continue;
    const path = [...base, written];
    const inner = sectionOf(written);
    const [first = "", ...rest] = written.split(".");
    const dotted = rest.length > 0 ? sectionOf(first) : undefined;
    if (inner !== undefined && isMapping(value)) walk(sink, value, path, inner);
    else if (inner !== undefined && Array.isArray(value) && walkList(sink, value, path, inner)) continue;
    else if (dotted !== undefined) walk(sink, { [rest.join(".")]: value }, [...base, first], dotted);
    else addLeaf(sink, path, written, value, section);
  }
}

const sectionOf = (name: string): string | undefined => SECTIONS[plainName(name)];

/** The method that a configuration names, wherever it says so. */
function findAlgorithm(source: unknown, depth = 0): Algorithm | undefined {
  if (!isMapping(source) || depth > 3) return undefined;
  for (const [name, value] of Object.entries(source)) {
    const meaning = meaningOf(name, "top", "sft");
    const names = plainName(name) === "task" || (meaning?.kind === "setting" && meaning.key === "algorithm");
    const algorithm = names && typeof value === "string" ? parseAlgorithm(value) : undefined;
    if (algorithm) return algorithm;
  }
  const order = ["config", "params", "algo", "train", "training", "recipe"];
  return order.map((name) => findAlgorithm(source[name], depth + 1)).find((found) => found !== undefined);
}

/** Reads a flat, nested or recipe-wrapped configuration that is already an object. Never throws for what is in it. */
export function readSettings(source: unknown, options: ReadOptions = {}): ImportReview {
  const named = findAlgorithm(source);
  const sink: Sink = {
    algorithm: named ?? options.algorithm ?? "sft",
    lineOf: options.lineOf ?? (() => undefined),
    found: [],
    changed: [],
    notUsed: [],
    problems: [],
  };
  if (isMapping(source)) walk(sink, source, [], "top");
  else {
    const message = `A configuration is a list of settings such as learning_rate: 0.0001; this is ${show(source)}.`;
    sink.problems.push({ path: "", line: 1, message });
  }
  return { algorithm: named, ...collect(sink) };
}
