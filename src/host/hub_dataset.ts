import { AppError } from "../lib/errors.ts";
import { globOf } from "./glob.ts";
import type { DatasetAsset, DatasetPart } from "./host.ts";

/** What is needed of a dataset repository to find the files of a split. */
export interface DatasetListing {
  /** Every file of the repository. */
  readonly paths: readonly string[];
  /** A folder of this device: files of every kind count, and one whose name says no split is a split of that name. */
  readonly local?: boolean;
  /** The text of README.md, if there is one. */
  readReadme(): Promise<string | undefined>;
  /** The files of the hub's own conversion to Parquet, if there is one. */
  readConverted(): Promise<readonly string[] | undefined>;
}

/** Subsets to splits to paths. */
type Layout = ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;

/** A layout, and the subset that is meant when none is named. */
interface Found {
  readonly layout: Layout;
  readonly fallback: string | undefined;
}

export interface DatasetLayout extends Found {
  /** The paths are those of the hub's own conversion to Parquet. */
  readonly isConverted: boolean;
}

export interface ChosenFiles {
  readonly paths: readonly string[];
  readonly part: NonNullable<DatasetAsset["part"]>;
}

/**
 * Where the rows of a dataset lie, as the datasets library finds them: by `configs` in the front matter of README.md, else by
 * the names of the files and their folders, else in the hub's own conversion to Parquet. Throws `dataset-invalid` when
 * nothing can be read.
 */
export async function datasetLayout(id: string, listing: DatasetListing): Promise<DatasetLayout> {
  const data = listing.paths.filter(isData);
  const own =
    readConfigs(await frontMatter(await listing.readReadme()), data) ?? byNames(data, listing.local === true);
  if (own !== undefined) return { ...own, isConverted: false };
  const converted = readConverted((await listing.readConverted()) ?? []);
  if (converted === undefined) throw nothingToRead(id, listing);
  return { ...converted, isConverted: true };
}

/** `train[:100]` is a part of train; the rows are cut later. */
const splitOf = (split: string): string => /^[^[]*/.exec(split)?.[0] ?? split;

/** The files of a subset's split. Throws `config-invalid` for a subset or split that there is not, naming those there are. */
export function chooseFiles(id: string, wanted: DatasetPart, { layout, fallback }: Found): ChosenFiles {
  const subsets = [...layout.keys()];
  const subset = wanted.subset ?? fallback;
  const splits = subset === undefined ? undefined : layout.get(subset);
  if (subset === undefined || splits === undefined) {
    const why =
      wanted.subset === null
        ? `has several subsets. Say which with config_name: ${subsets.join(", ")}`
        : `has no subset "${wanted.subset}". Set config_name to one of ${subsets.join(", ")}`;
    throw new AppError("config-invalid", `${id} ${why}.`, { details: { key: "config_name", id, subsets } });
  }
  const named = [...splits.keys()];
  const sought = (typeof wanted.split === "string" ? [wanted.split] : wanted.split).map(splitOf);
  const split = sought.find((name) => named.includes(name));
  const paths = split === undefined ? undefined : splits.get(split);
  if (split === undefined || paths === undefined) {
    throw new AppError(
      "config-invalid",
      `${id}, subset ${subset}, has no split ${sought.join(" or ")}. Set split to one of ${named.join(", ")}.`,
      { details: { key: "split", id, subset, splits: named } },
    );
  }
  return { paths, part: { subset, split, splits: named } };
}

function nothingToRead(id: string, { paths, local = false }: DatasetListing): AppError {
  if (local) {
    return new AppError(
      "dataset-invalid",
      `The folder ${id} has no .parquet, .jsonl, .json, .csv, .tsv or .txt files. Give a file, or a folder with such files.`,
      { details: { id, files: paths.slice(0, 20) } },
    );
  }
  const script = paths.some((path) => path.endsWith(".py"));
  const why = script
    ? "It is loaded by a Python script, which is not run here, and the hub has no Parquet conversion of it."
    : "It has no .parquet, .jsonl, .json, .csv, .tsv or .txt files, and the hub has no Parquet conversion of it.";
  return new AppError(
    "dataset-invalid",
    `No rows can be read of ${id}. ${why} Save it as JSONL or Parquet and give the file's path.`,
    { details: { id, files: paths.slice(0, 20) } },
  );
}

const ENDINGS = ["parquet", "jsonl", "ndjson", "json", "csv", "tsv", "txt"];
const endingOf = (path: string): string => /\.(\w+)$/.exec(path)?.[1]?.toLowerCase() ?? "";
/** Files about a dataset, rather than of it. */
const ABOUT =
  /(^|\/)(\.[^/]*|_[^/]*|dataset_infos?\.json|dataset_dict\.json|state\.json|config\.json|requirements\.txt|licen[cs]e[^/]*|readme[^/]*)$/i;
const isData = (path: string): boolean => ENDINGS.includes(endingOf(path)) && !ABOUT.test(path);

const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const asList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [value]);

async function frontMatter(readme: string | undefined): Promise<unknown> {
  const [, text] = /^---\r?\n([\s\S]*?)\r?\n---/.exec(readme ?? "") ?? [];
  if (text === undefined) return undefined;
  const { parseDocument } = await import("yaml");
  try {
    const document = parseDocument(text, { logLevel: "silent" });
    return document.errors.length > 0 ? undefined : (document.toJS({ maxAliasCount: 100 }) as unknown);
  } catch {
    // Aliases that grow without end, or nesting that is too deep: it declares nothing that can be read.
    return undefined;
  }
}

/** What YAML has for a name: text, or a number or word that it took for a value. */
const plainText = (value: unknown): string | undefined =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean"
    ? String(value)
    : undefined;
const nameOf = (value: unknown, otherwise: string): string => plainText(value) ?? otherwise;

/** `configs: [{config_name, data_files, data_dir, default}]`; undefined when none of it names files that there are. */
function readConfigs(front: unknown, data: readonly string[]): Found | undefined {
  const configs = isMapping(front) ? asList(front["configs"] ?? []).filter(isMapping) : [];
  const layout = new Map(
    configs
      .map((config) => [nameOf(config["config_name"], "default"), splitsOf(config, data)] as const)
      .filter(([, splits]) => splits.size > 0),
  );
  const marked = configs.find((config) => config["default"] === true)?.["config_name"];
  const names = configs.map((config) => nameOf(config["config_name"], "default"));
  return layout.size === 0 ? undefined : { layout, fallback: plainText(marked) ?? defaultOf(names) };
}

function splitsOf(
  { data_dir: folder, data_files: declared }: Readonly<Record<string, unknown>>,
  data: readonly string[],
): ReadonlyMap<string, readonly string[]> {
  const within = typeof folder === "string" ? `${folder.replace(/\/$/, "")}/` : "";
  if (declared !== undefined) return declaredSplits(declared, data, within);
  return byWords(
    data.filter((path) => path.startsWith(within)),
    within,
  );
}

function defaultOf(subsets: Iterable<string>): string | undefined {
  const [only, ...others] = subsets;
  return others.length === 0 ? only : [only, ...others].find((subset) => subset === "default");
}

/** A pattern, a list of them, {split: pattern}, or a list of {split, path}. */
function declaredSplits(
  declared: unknown,
  data: readonly string[],
  folder: string,
): Map<string, readonly string[]> {
  const splits = new Map<string, readonly string[]>();
  const add = (split: string, patterns: unknown): void => {
    const found = asList(patterns).flatMap((pattern) => {
      const text = plainText(pattern);
      return text === undefined ? [] : data.filter(globOf(`${folder}${text.replace(/^\.\//, "")}`));
    });
    const all = [...new Set([...(splits.get(split) ?? []), ...found])].sort();
    if (all.length > 0) splits.set(split, all);
  };
  if (isMapping(declared)) for (const [split, patterns] of Object.entries(declared)) add(split, patterns);
  else {
    for (const entry of asList(declared)) {
      if (isMapping(entry)) add(nameOf(entry["split"], "train"), entry["path"]);
      else add("train", entry);
    }
  }
  return splits;
}

/** Words for a split in the names of files and folders, as the datasets library knows them. */
const WORDS: readonly (readonly [split: string, words: RegExp])[] = [
  ["train", /(^|[\W_])train(ing)?([\W_]|$|\d)/i],
  ["validation", /(^|[\W_])(validation|valid|val|dev)([\W_]|$|\d)/i],
  ["test", /(^|[\W_])(test(ing)?|eval(uation)?)([\W_]|$|\d)/i],
];

/** Files of a folder by their split: all of them are train when no name says one. Of several kinds of file the first of ENDINGS counts. */
function byWords(paths: readonly string[], folder = ""): Map<string, readonly string[]> {
  const kind = ENDINGS.find((ending) => paths.some((path) => endingOf(path) === ending));
  const same = paths.filter((path) => endingOf(path) === kind).sort();
  const splits = new Map(
    WORDS.map(
      ([split, words]) => [split, same.filter((path) => words.test(path.slice(folder.length)))] as const,
    ).filter(([, files]) => files.length > 0),
  );
  return splits.size > 0 || same.length === 0 ? splits : new Map([["train", same]]);
}

/**
 * Files of one folder, of any kind: by the words in their names, else each is a split of its own. A single one is train, and so
 * are the numbered parts of one.
 */
function byStems(paths: readonly string[]): Map<string, readonly string[]> {
  const splits = new Map<string, string[]>();
  const areParts = new Set(paths.map((path) => path.replace(/\d+/g, ""))).size === 1;
  for (const path of [...paths].sort()) {
    const word = WORDS.find(([, words]) => words.test(path))?.[0];
    const split = word ?? (areParts ? "train" : path.replace(/\.[^.]*$/, ""));
    splits.set(split, [...(splits.get(split) ?? []), path]);
  }
  return splits;
}

/**
 * Without a declaration: files at the top or in data/ are the one subset "default"; else each folder at the top is a subset,
 * unless the folders are the splits.
 */
function byNames(data: readonly string[], local: boolean): Found | undefined {
  if (data.length === 0) return undefined;
  if (local && data.every((path) => !path.includes("/")))
    return { layout: new Map([["default", byStems(data)]]), fallback: "default" };
  const folders = new Set(data.map((path) => (path.includes("/") ? (path.split("/")[0] ?? "") : "")));
  const areSubsets =
    !folders.has("") &&
    !folders.has("data") &&
    ![...folders].every((folder) => WORDS.some(([, words]) => words.test(folder)));
  if (!areSubsets) return { layout: new Map([["default", byWords(data)]]), fallback: "default" };
  const layout = new Map(
    [...folders].sort().map((folder) => {
      const inside = data.filter((path) => path.startsWith(`${folder}/`));
      return [folder, byWords(inside, `${folder}/`)] as const;
    }),
  );
  return { layout, fallback: defaultOf(layout.keys()) };
}

/** subset/split/0000.parquet; of a dataset that is too large only a part is converted, in subset/partial-split. */
function readConverted(paths: readonly string[]): Found | undefined {
  const layout = new Map<string, Map<string, string[]>>();
  for (const path of [...paths].sort()) {
    const [, subset, split] = /^([^/]+)\/(?:partial-)?([^/]+)\/[^/]+\.parquet$/.exec(path) ?? [];
    if (subset === undefined || split === undefined) continue;
    const splits = layout.get(subset) ?? new Map<string, string[]>();
    splits.set(split, [...(splits.get(split) ?? []), path]);
    layout.set(subset, splits);
  }
  return layout.size === 0 ? undefined : { layout, fallback: defaultOf(layout.keys()) };
}
