import type { CommonConfig, RunConfig } from "../config/fields.ts";
import { type ExampleOptions, type RowReader, readExamples, rowReader } from "../data/dataset_formats.ts";
import { orRefusal } from "../data/encode_turns.ts";
import type { Example } from "../data/example.ts";
import { openBlocks, type RowBlock, type RowBlocks } from "../data/row_blocks.ts";
import { badRow, RowStream, type StreamedRow } from "../data/row_stream.ts";
import { guessFormat, type RowFile, rowUnit } from "../data/rows.ts";
import { emptySlice, parseSplit, selectRows } from "../data/split_slice.ts";
import { partOfRow, type SplitName } from "../data/splits.ts";
import type { DatasetAsset, Host } from "../host/host.ts";
import { invariant } from "../lib/errors.ts";
import { Random } from "../lib/random.ts";
import type { Dataset } from "./load_dataset.ts";
import { type RowProcessor, rowProcessor } from "./process_rows.ts";
import type { RowEncoding } from "./row_encodings.ts";

/**
 * Datasets that are not held in memory. Opening one finds where its rows are (`openBlocks`), and reads its first block, by
 * which columns and format are recognised, and some of the held-out rows. Everything else is read when a step needs it
 * (`RowStream`): block, processing_fn, mapping, format, tokens.
 *
 * Without all rows at hand, some things differ from a dataset in memory: split slices, percent and max_samples count rows of
 * the file, usable or not; a row is held out by a hash of its number; memory is planned for rows of the longest length; and
 * the order of rows is shuffled in windows (`epochWindows`).
 */

/** Files of more bytes than this are streamed when the configuration does not say. */
export const STREAM_BYTES = 128 * 2 ** 20;
/** The most rows that are held in memory for certain, whatever the size of their file. */
const FEW_ROWS = 100_000;
/** Held-out rows of a stream that are evaluated when the configuration does not say. */
export const STREAM_EVAL_ROWS = 500;

const STREAM = 0x6576616c;

type Files = Pick<Host, "readText" | "userCode" | "log">;

export interface StreamInput {
  readonly host: Files;
  readonly config: CommonConfig;
  readonly asset: DatasetAsset;
  readonly options: ExampleOptions;
  readonly skipBadRows: boolean;
  /** Rows that are held out come from somewhere else. */
  readonly elsewhere: { readonly validation: boolean; readonly test: boolean };
}

/** Whether a dataset is streamed, and what to say where that is not as it might be expected. */
export async function streams(
  config: CommonConfig,
  asset: DatasetAsset,
): Promise<{ readonly yes: boolean; readonly note?: string }> {
  if (config.streaming !== null) return { yes: config.streaming };
  const bytes = [asset, ...(asset.more ?? [])].reduce((sum, { size }) => sum + size, 0);
  if (bytes <= STREAM_BYTES) return { yes: false };
  const format = await guessFormat(asset).catch(() => undefined);
  const isFew = config.max_samples !== null && config.max_samples <= FEW_ROWS;
  if (format === "json" || (isFew && format !== "csv" && format !== "tsv")) return { yes: false };
  const key = needsAllRows(config as RunConfig);
  if (key === undefined) return { yes: true };
  const megabytes = Math.round(bytes / 2 ** 20);
  return {
    yes: false,
    note: `${asset.name} has ${megabytes} MB and is held in memory as a whole, because ${key} needs all rows. Without it, the rows would be streamed.`,
  };
}

/** A setting that only works with all rows at hand; the rules of the configuration refuse it beside streaming: true. */
function needsAllRows(config: RunConfig): string | undefined {
  if (config.train_sampling_strategy === "group_by_length") return "group_by_length";
  if (config.algorithm === "sft" && config.packing) return "packing";
  return config.algorithm === "dpo" && config.precompute_ref_log_probs
    ? "precompute_ref_log_probs"
    : undefined;
}

/** The rows of a stream, before it is known what they become. */
export interface StreamedRows {
  open<T>(encoding: RowEncoding<T>): RowStream<T>;
}

/** Opens a dataset as a stream. Throws what its first block can be refused for. */
export async function streamDataset(input: StreamInput): Promise<Dataset> {
  const { host, config, asset, options, elsewhere } = input;
  const [term] = parseSplit(config.split);
  invariant(term !== undefined, "a split has a term");
  const selection = selectRows(term, { percent: config.percent, limit: config.max_samples });
  // What lies behind the last row that is wanted is not looked at, where that row is known.
  const last = selection.known?.to ?? Number.POSITIVE_INFINITY;
  const blocks = await openBlocks(asset, Number.isFinite(last) ? { limit: last } : {});
  const { from, to } = selection.range(blocks.rows);
  if (from >= to) throw emptySlice(config.split, blocks.rows);
  const ratios = {
    valSplitRatio: elsewhere.validation ? 0 : config.val_split_ratio,
    testSplitRatio: elsewhere.test ? 0 : config.test_split_ratio,
    seed: config.seed,
  };
  const partOf = (row: number): SplitName | undefined =>
    row >= from && row < to ? partOfRow(row, ratios) : undefined;
  const counts = { train: 0, validation: 0, test: 0 };
  for (let row = from; row < to; row++) counts[partOfRow(row, ratios)] += 1;

  const processor = rowProcessor(host, config);
  try {
    const first = blocks.firsts.findLastIndex((row) => row <= from);
    const { file, places } = fileOf(blocks, await readBlock(blocks, first, processor));
    const reader = rowReader(file, options);
    const set = readExamples(file, options);
    const [problem] = set.problems;
    if (problem && !input.skipBadRows) throw badRow(file.name, problem.message);
    const offset = blocks.firsts[first] ?? 0;
    const head = set.examples.map(
      (example): Example => ({ ...example, rowIndex: offset + (places[example.rowIndex] ?? 0) }),
    );
    const wanted = config.max_eval_samples ?? STREAM_EVAL_ROWS;
    const source = { blocks, reader, processor, seed: config.seed, skipBadRows: input.skipBadRows };
    const validation = await someRows(source, (row) => partOf(row) === "validation", wanted);
    const isTraining = (row: number) => partOf(row) === "train";
    const train = head.filter(({ rowIndex }) => isTraining(rowIndex));
    const notes = [...set.notes, ...streamNotes(counts, validation.length, config)];
    return {
      ...{ file, set, train, validation, test: [], part: asset.part },
      ...{ rowCount: blocks.rows, counts, notes },
      stream: { open: (encoding) => openStream({ ...input, blocks, reader, isTraining, train }, encoding) },
    };
  } finally {
    processor.close();
  }
}

function streamNotes(
  counts: Dataset["counts"],
  evaluated: number,
  { max_eval_samples: limit }: CommonConfig,
): string[] {
  const notes = [
    `The dataset is streamed: ${counts.train} rows to train on, shuffled in windows of 16 blocks of rows. Rows that turn out to be of no use make an epoch shorter than that.`,
  ];
  if (counts.validation > 0 && limit === null) {
    notes.push(
      `${evaluated} of the ${counts.validation} held-out rows are evaluated; max_eval_samples says how many.`,
    );
  }
  return notes;
}

/** Examples of a dataset that is evaluated on, at most `wanted` of them from all over it. */
export async function evaluationRows(
  { host, config, asset, options, skipBadRows }: Omit<StreamInput, "elsewhere">,
  wanted: number,
): Promise<readonly Example[]> {
  const blocks = await openBlocks(asset);
  const processor = rowProcessor(host, config);
  try {
    const reader = rowReader(fileOf(blocks, await readBlock(blocks, 0, processor)).file, options);
    return await someRows({ blocks, reader, processor, seed: config.seed, skipBadRows }, () => true, wanted);
  } finally {
    processor.close();
  }
}

interface RowSource {
  readonly blocks: RowBlocks;
  readonly reader: RowReader;
  readonly processor: RowProcessor;
  readonly seed: number;
  readonly skipBadRows: boolean;
}

/** Rows of some blocks, drawn by the seed, in the order of the file. */
async function someRows(
  { blocks, reader, processor, seed, skipBadRows }: RowSource,
  isWanted: (row: number) => boolean,
  wanted: number,
): Promise<readonly Example[]> {
  const order = Uint32Array.from({ length: blocks.firsts.length - 1 }, (_, block) => block);
  new Random(seed, STREAM).shuffle(order);
  const found: Example[] = [];
  for (const block of order) {
    if (found.length >= wanted) break;
    const [first = 0, end = 0] = [blocks.firsts[block], blocks.firsts[block + 1]];
    const places = Array.from({ length: end - first }, (_, place) => place);
    const chosen = places.filter((place) => isWanted(first + place));
    if (chosen.length === 0) continue;
    const read = await readBlock(blocks, block, processor);
    for (const place of chosen) {
      const result = exampleOf(reader, read, place, first + place);
      if ("example" in result) found.push(result.example);
      else if (!skipBadRows && "problem" in result) throw badRow(blocks.name, result.problem);
    }
  }
  return found.slice(0, wanted).toSorted((a, b) => a.rowIndex - b.rowIndex);
}

type Found =
  | { readonly example: Example }
  | { readonly problem: string }
  /** Nothing stands there. */
  | { readonly dropped: string };

function exampleOf(reader: RowReader, block: RowBlock, place: number, rowIndex: number): Found {
  const row = block.rows[place];
  const line = block.lines[place] ?? 0;
  if (row === undefined) {
    const problem = block.problems.get(place);
    return problem ? { problem: problem.message } : { dropped: `Line ${line} says nothing.` };
  }
  const result = reader.read(row, line);
  if ("problem" in result) return { problem: result.problem.message };
  return { example: { ...result.body, row: result.row, rowIndex } };
}

/** A block with the configuration's function run on its rows. */
async function readBlock(blocks: RowBlocks, index: number, processor: RowProcessor): Promise<RowBlock> {
  const block = await blocks.read(index);
  const { file, places } = fileOf(blocks, block);
  const processed = await processor.process(file);
  if (processed === file) return block;
  const rows = [...block.rows];
  processed.rows.forEach((row, i) => {
    rows[places[i] ?? 0] = row;
  });
  return { ...block, rows };
}

/** The rows of a block that can be read, as a file of their own, and their places in the block. */
function fileOf(
  { name, format, encoding, delimiter }: RowBlocks,
  { rows, lines, problems }: RowBlock,
): { readonly file: RowFile; readonly places: readonly number[] } {
  const places = rows.flatMap((row, place) => (row === undefined ? [] : [place]));
  const present = rows.filter((row) => row !== undefined);
  const kept = [...problems.values()];
  return {
    places,
    file: {
      ...{ name, format, encoding, delimiter, rows: present },
      lines: places.map((place) => lines[place] ?? 0),
      columns: [...new Set(present.flatMap((row) => Object.keys(row)))],
      ...{ problems: kept, problemCounts: {}, problemTotal: kept.length },
    },
  };
}

interface OpenStreamInput extends StreamInput {
  readonly blocks: RowBlocks;
  readonly reader: RowReader;
  readonly isTraining: (row: number) => boolean;
  /** Training rows of the first block. */
  readonly train: readonly Example[];
}

function openStream<T>(input: OpenStreamInput, encoding: RowEncoding<T>): RowStream<T> {
  const { host, config, blocks, reader, isTraining, train, skipBadRows } = input;
  const processor = rowProcessor(host, config);
  const where = rowUnit(blocks) === "row" ? "Row" : "Line";
  const known = train.flatMap((example) => {
    const one = orRefusal(() => encoding.one(example));
    return "reason" in one ? [] : [one.row];
  });
  return new RowStream({
    ...{ blocks, isTraining, skipBadRows, known },
    bounds: Array.from({ length: encoding.batchSize }, () => encoding.largest),
    strategy: config.train_sampling_strategy === "sequential" ? "sequential" : "random",
    seed: config.data_seed ?? config.seed,
    read: (block) => readBlock(blocks, block, processor),
    onClose: () => processor.close(),
    encode(block, place, rowIndex): StreamedRow<T> {
      const found = exampleOf(reader, block, place, rowIndex);
      if (!("example" in found)) return found;
      const one = orRefusal(() => encoding.one(found.example));
      return "reason" in one ? { dropped: `${where} ${block.lines[place]}: ${one.reason}.` } : one;
    },
  });
}
