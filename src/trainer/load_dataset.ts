import type { CommonConfig } from "../config/fields.ts";
import { columnsInUse, type ExampleOptions, type ExampleSet, readExamples } from "../data/dataset_formats.ts";
import { duplicateNotes } from "../data/duplicates.ts";
import type { Example } from "../data/example.ts";
import type { RowPurpose } from "../data/row_format.ts";
import type { FirstRows, RowFile } from "../data/rows.ts";
import { parseSplit } from "../data/split_slice.ts";
import { type SplitName, splitName, splitRows } from "../data/splits.ts";
import type { DatasetAsset, Host } from "../host/host.ts";
import { AppError, invariant } from "../lib/errors.ts";
import { datasetsOf, type MixedSource, mixDatasets, type WeightedDataset } from "./mix_datasets.ts";
import { processRows } from "./process_rows.ts";
import { readSplit } from "./read_split.ts";
import {
  evaluationRows,
  STREAM_EVAL_ROWS,
  type StreamedRows,
  streamDataset,
  streams,
} from "./stream_dataset.ts";

/** A dataset as it was read, in canonical form, cut into parts; of one that is streamed, the rows that are known of it. */
export interface Dataset {
  /** Of a stream, its first block. */
  readonly file: RowFile;
  readonly set: ExampleSet;
  readonly train: readonly Example[];
  readonly validation: readonly Example[];
  readonly test: readonly Example[];
  /** Which subset and split were read, of a dataset that has them; undefined for a file. */
  readonly part: DatasetAsset["part"];
  /** Rows of the whole dataset. */
  readonly rowCount: number;
  /** Rows of each part; of a stream, whether they can be used or not. */
  readonly counts: Readonly<Record<SplitName, number>>;
  /** Where the rows that are trained on come from, when they are not all in memory. */
  readonly stream: StreamedRows | undefined;
  /** What a person should know of how it was read. */
  readonly notes: readonly string[];
  /** What each dataset gives, of a run with several. */
  readonly sources?: readonly MixedSource[];
}

/** What an algorithm reads rows for. */
export function purposeOf({ algorithm }: Pick<CommonConfig, "algorithm">): RowPurpose {
  if (algorithm === "sft") return "sft";
  return algorithm === "dpo" ? "preference" : "prompt";
}

type DataHost = Pick<Host, "openDataset" | "readText" | "userCode" | "log">;

/** How a dataset is opened and read, whichever split of it is meant. */
interface Reading {
  readonly host: DataHost;
  readonly config: CommonConfig;
  readonly options: ExampleOptions;
  readonly skipBadRows: boolean;
}

/**
 * Reads the datasets of a configuration, for the purpose of its algorithm unless another is given, runs its processing_fn, and
 * cuts them into train, validation and test; or opens the only one as a stream. Throws `file-missing`, `dataset-invalid`,
 * `config-invalid`, `user-code-*`; with `skipBadRows` unset also when any row cannot be used, naming the first.
 */
export async function loadDataset(
  host: DataHost,
  config: CommonConfig,
  hasTemplate: boolean,
  skipBadRows: boolean,
  purpose: RowPurpose = purposeOf(config),
): Promise<Dataset> {
  const load = (one: CommonConfig) =>
    loadOne({ host, config: one, options: optionsOf(one, hasTemplate, purpose), skipBadRows });
  if (config.more_datasets.length === 0) return load(config);
  const parts: WeightedDataset[] = [];
  for (const { config: one, weight } of datasetsOf(config)) {
    // Mixing needs every row; and how many rows are evaluated is said of all datasets together.
    const dataset = await load({ ...one, max_eval_samples: null, streaming: false });
    parts.push({ name: one.dataset_name ?? "", weight, dataset });
  }
  const [first, ...others] = parts;
  invariant(first !== undefined, "a run has a dataset");
  return mixDatasets([first, ...others], config);
}

function optionsOf(config: CommonConfig, hasTemplate: boolean, purpose: RowPurpose): ExampleOptions {
  const { text_column: textColumn } = config;
  const mapping =
    textColumn === null ? config.column_mapping : { ...config.column_mapping, [textColumn]: "text" };
  return {
    purpose,
    hasTemplate,
    ...(config.task_type !== null && { taskType: config.task_type }),
    ...(mapping && { columnMapping: mapping }),
    ...(config.system_prompt !== null && { systemPrompt: config.system_prompt }),
  };
}

async function loadOne(reading: Reading): Promise<Dataset> {
  const { config } = reading;
  const [first, ...others] = parseSplit(config.split);
  invariant(first !== undefined, "a split has a term");
  const asset = await openSplit(reading, config.dataset_name ?? "", first.split);
  if (others.length > 0) {
    if (config.streaming === true) throw sumStreamed(config.split);
    return inMemory(reading);
  }
  const { yes, note } = await streams(config, asset);
  const dataset = yes ? await streamed(reading, asset) : await inMemory(reading);
  return note === undefined ? dataset : { ...dataset, notes: [note, ...dataset.notes] };
}

const sumStreamed = (split: string): AppError =>
  new AppError(
    "config-invalid",
    `split: "${split}" adds rows of several splits, which cannot be streamed. Name one split, or set streaming to false.`,
    { details: { key: "split" } },
  );

function openSplit(
  { host, config }: Reading,
  name: string,
  split: string | readonly string[],
): Promise<DatasetAsset> {
  return host.openDataset(name, { subset: config.config_name, split });
}

interface ReadSet {
  readonly file: RowFile;
  readonly set: ExampleSet;
  readonly part: DatasetAsset["part"];
}

/** The rows of a split, all of them. */
async function readSet(
  { host, config, options, skipBadRows }: Reading,
  name: string,
  split: string | readonly string[],
  percent: number | null = null,
): Promise<ReadSet> {
  const named = { ...options, name };
  // A processing_fn may read any column.
  const some = config.processing_fn === null && {
    columnsInUse: (first: FirstRows) => columnsInUse(first, named),
  };
  const source = { name, subset: config.config_name, split, percent, limit: config.max_samples, ...some };
  const { file: rows, part } = await readSplit(host, source);
  const file = await processRows(host, config, rows);
  const set = readExamples(file, named);
  if (set.problemTotal > 0 && !skipBadRows) throw badRows(name, set);
  return { file, set, part };
}

async function inMemory(reading: Reading): Promise<Dataset> {
  const { config } = reading;
  const { file, set, part } = await readSet(reading, config.dataset_name ?? "", config.split, config.percent);
  const { examples } = set;
  const own = ownHeldOut(config, part);
  const { val_split_ratio: valSplitRatio, test_split_ratio: testSplitRatio, seed } = config;
  const parts = splitRows(examples.length, {
    valSplitRatio: own.validation ? 0 : valSplitRatio,
    testSplitRatio: own.test ? 0 : testSplitRatio,
    seed,
  });
  const pick = (rows: readonly number[]) => rows.map((row) => examples[row] as Example);
  const elsewhere =
    own.validation && (await readSet(reading, own.validation.name, own.validation.split)).set.examples;
  const train = pick(parts.train);
  const validation = limited(elsewhere ?? pick(parts.validation), config);
  const test = pick(parts.test);
  const rows = (some: readonly Example[]) => some.map(({ row }) => row);
  const notes = [...set.notes, ...duplicateNotes(rows(train), rows([...validation, ...test]))];
  return {
    ...{ file, set, train, validation, test, part, notes },
    ...{ rowCount: file.rows.length, stream: undefined },
    counts: { train: train.length, validation: validation.length, test: test.length },
  };
}

async function streamed(reading: Reading, asset: DatasetAsset): Promise<Dataset> {
  const { config } = reading;
  const own = ownHeldOut(config, asset.part);
  const input = {
    ...reading,
    asset,
    elsewhere: { validation: own.validation !== undefined, test: own.test },
  };
  const dataset = await streamDataset(input);
  if (!own.validation) return dataset;
  const { name, split } = own.validation;
  const heldOut = await openSplit(reading, name, split);
  const wanted = config.max_eval_samples ?? STREAM_EVAL_ROWS;
  const { yes } = await streams({ ...config, streaming: null }, heldOut);
  const validation = yes
    ? await evaluationRows({ ...reading, asset: heldOut }, wanted)
    : (await readSet(reading, name, split)).set.examples.slice(0, wanted);
  return { ...dataset, validation, counts: { ...dataset.counts, validation: validation.length } };
}

/** What is held out already: a dataset's own split, or another dataset. Only what there is not is cut from the rows. */
function ownHeldOut(
  config: CommonConfig,
  part: DatasetAsset["part"],
): {
  readonly validation: { readonly name: string; readonly split: string | readonly string[] } | undefined;
  readonly test: boolean;
} {
  const { eval_dataset_name: other } = config;
  if (other !== null)
    return { validation: { name: other, split: ["validation", "test", "train"] }, test: true };
  const own = config.val_split_ratio > 0 ? ownSplit(part, "validation") : undefined;
  return {
    validation: own === undefined ? undefined : { name: config.dataset_name ?? "", split: own },
    test: ownSplit(part, "test") !== undefined,
  };
}

/** A split that the dataset itself has for a purpose, unless it is the one that is trained on. */
export function ownSplit(part: Dataset["part"], purpose: SplitName): string | undefined {
  const trained = part?.split.split("+") ?? [];
  return part?.splits.find((split) => !trained.includes(split) && splitName(split) === purpose);
}

function limited(
  examples: readonly Example[],
  { max_eval_samples: limit }: CommonConfig,
): readonly Example[] {
  return limit === null ? examples : examples.slice(0, limit);
}

function badRows(name: string, set: ExampleSet): AppError {
  const [first] = set.problems;
  const rest = set.problemTotal > 1 ? ` ${set.problemTotal - 1} more rows have problems.` : "";
  return new AppError(
    "dataset-invalid",
    `${name}: ${first?.message ?? "a row cannot be used."}${rest} ${set.examples.length} rows are usable; skip the others to go on.`,
    {
      details: {
        name,
        problems: set.problems.slice(0, 20),
        total: set.problemTotal,
        usable: set.examples.length,
      },
    },
  );
}
