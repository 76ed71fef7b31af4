import type { CommonConfig, DpoConfig, GroupConfig, PpoConfig, SftConfig } from "../config/fields.ts";
import { type ChatTemplate, loadChatTemplate } from "../data/chat_template.ts";
import { type ExampleOptions, type ExampleSet, readExamples } from "../data/dataset_formats.ts";
import type { DroppedRow } from "../data/encode_turns.ts";
import type { Example } from "../data/example.ts";
import { packedRows, type TrainingRow, unpackedRows } from "../data/packed_rows.ts";
import { buildPreferenceExamples, type PreferencePair } from "../data/preference_examples.ts";
import { buildPrompts, type PromptRow } from "../data/prompt_examples.ts";
import type { RowPurpose } from "../data/row_formats.ts";
import { type RowFile, readRows } from "../data/rows.ts";
import { buildSftExamples, type SftOptions } from "../data/sft_examples.ts";
import { sliceOf } from "../data/split_slice.ts";
import { type SplitName, splitName, splitRows } from "../data/splits.ts";
import { loadTokenizer, type Tokenizer } from "../data/tokenizer.ts";
import type { DatasetAsset, Folder, Host } from "../host/host.ts";
import { AppError } from "../lib/errors.ts";
import { processRows } from "./process_rows.ts";
import {
  evaluationRows,
  STREAM_EVAL_ROWS,
  type StreamedRows,
  streamDataset,
  streams,
} from "./stream_dataset.ts";
import { ofTemplate, templateVariables } from "./template_use.ts";

export interface TextTools {
  readonly tokenizer: Tokenizer;
  /** Undefined when the model has none and ChatML was not asked for. */
  readonly template: ChatTemplate | undefined;
}

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
}

export interface SftData {
  readonly train: readonly TrainingRow[];
  readonly validation: readonly TrainingRow[];
  /** What a person should know: rows cut, dropped, ambiguous. */
  readonly notes: readonly string[];
}

export interface PreferenceData {
  readonly train: readonly PreferencePair[];
  readonly validation: readonly PreferencePair[];
  readonly notes: readonly string[];
}

export interface PromptData {
  readonly train: readonly PromptRow[];
  readonly validation: readonly PromptRow[];
  /** Whether every row that is trained on has a right answer to compare with. */
  readonly hasReference: boolean;
  /** Rows that are trained on without a right answer. */
  readonly withoutReference: number;
  readonly notes: readonly string[];
}

/** The model's tokenizer and chat template, or the template that the configuration asks for. */
export async function loadTextTools(
  folder: Folder,
  config: Pick<CommonConfig, "chat_template">,
): Promise<TextTools> {
  const tokenizer = await loadTokenizer(folder);
  const source = config.chat_template === "chatml" ? "chatml" : "model";
  return { tokenizer, template: await loadChatTemplate(folder, tokenizer, { source }) };
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
 * Reads the dataset of a configuration, for the purpose of its algorithm unless another is given, runs its processing_fn, and
 * cuts it into train, validation and test; or opens it as a stream. Throws `file-missing`, `dataset-invalid`, `user-code-*`;
 * with `skipBadRows` unset also when any row cannot be used, naming the first.
 */
export async function loadDataset(
  host: DataHost,
  config: CommonConfig,
  hasTemplate: boolean,
  skipBadRows: boolean,
  purpose: RowPurpose = purposeOf(config),
): Promise<Dataset> {
  const { text_column: textColumn } = config;
  const mapping =
    textColumn === null ? config.column_mapping : { ...config.column_mapping, [textColumn]: "text" };
  const options: ExampleOptions = {
    ...{ purpose, hasTemplate },
    ...(mapping && { columnMapping: mapping }),
    ...(config.system_prompt !== null && { systemPrompt: config.system_prompt }),
  };
  const reading = { host, config, options, skipBadRows };
  const asset = await openSplit(reading, config.dataset_name ?? "", config.split);
  const { yes, note } = await streams(config, asset);
  const dataset = yes ? await streamed(reading, asset) : await inMemory(reading, asset);
  return note === undefined ? dataset : { ...dataset, notes: [note, ...dataset.notes] };
}

function openSplit(
  { host, config }: Reading,
  name: string,
  split: string | readonly string[],
): Promise<DatasetAsset> {
  return host.openDataset(name, { subset: config.config_name, split });
}

/** The rows of an asset, all of them. */
async function readSet(
  { host, config, options, skipBadRows }: Reading,
  asset: DatasetAsset,
): Promise<{ readonly file: RowFile; readonly set: ExampleSet }> {
  const limit = config.max_samples === null ? {} : { limit: config.max_samples };
  const file = await processRows(host, config, await readRows(asset, limit));
  const set = readExamples(file, options);
  if (set.problemTotal > 0 && !skipBadRows) throw badRows(file.name, set);
  return { file, set };
}

async function inMemory(reading: Reading, asset: DatasetAsset): Promise<Dataset> {
  const { config } = reading;
  const { file, set } = await readSet(reading, asset);
  const percent = config.percent ?? 100;
  const slice = sliceOf(config.split, set.examples);
  const examples = slice.slice(0, Math.max(1, Math.ceil((slice.length * percent) / 100)));
  const own = await ownHeldOut(reading, asset);
  const { val_split_ratio: valSplitRatio, test_split_ratio: testSplitRatio, seed } = config;
  const parts = splitRows(examples.length, {
    valSplitRatio: own.validation ? 0 : valSplitRatio,
    testSplitRatio: own.test ? 0 : testSplitRatio,
    seed,
  });
  const pick = (rows: readonly number[]) => rows.map((row) => examples[row] as Example);
  const elsewhere = own.validation && (await readSet(reading, own.validation)).set.examples;
  const train = pick(parts.train);
  const validation = limited(elsewhere ?? pick(parts.validation), config);
  const test = pick(parts.test);
  return {
    ...{ file, set, train, validation, test, part: asset.part },
    ...{ rowCount: file.rows.length, stream: undefined, notes: set.notes },
    counts: { train: train.length, validation: validation.length, test: test.length },
  };
}

async function streamed(reading: Reading, asset: DatasetAsset): Promise<Dataset> {
  const { config } = reading;
  const own = await ownHeldOut(reading, asset);
  const input = {
    ...reading,
    asset,
    elsewhere: { validation: own.validation !== undefined, test: own.test },
  };
  const dataset = await streamDataset(input);
  if (!own.validation) return dataset;
  const wanted = config.max_eval_samples ?? STREAM_EVAL_ROWS;
  const { yes } = await streams({ ...config, streaming: null }, own.validation);
  const validation = yes
    ? await evaluationRows({ ...reading, asset: own.validation }, wanted)
    : (await readSet(reading, own.validation)).set.examples.slice(0, wanted);
  return { ...dataset, validation, counts: { ...dataset.counts, validation: validation.length } };
}

/** What is held out already: a dataset's own split, or another dataset. Only what there is not is cut from the rows. */
async function ownHeldOut(
  reading: Reading,
  { part }: DatasetAsset,
): Promise<{ readonly validation: DatasetAsset | undefined; readonly test: boolean }> {
  const { config } = reading;
  if (config.eval_dataset_name !== null) {
    const splits = ["validation", "test", "train"];
    return { validation: await openSplit(reading, config.eval_dataset_name, splits), test: true };
  }
  const own = config.val_split_ratio > 0 ? ownSplit(part, "validation") : undefined;
  return {
    validation: own === undefined ? undefined : await openSplit(reading, config.dataset_name ?? "", own),
    test: ownSplit(part, "test") !== undefined,
  };
}

/** A split that the dataset itself has for a purpose, unless it is the one that is trained on. */
export function ownSplit(part: Dataset["part"], purpose: SplitName): string | undefined {
  return part?.splits.find((split) => split !== part.split && splitName(split) === purpose);
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

/** How rows become tokens and targets. */
export function sftOptions(config: SftConfig): SftOptions {
  return {
    maxSeqLength: config.max_seq_length,
    assistantOnlyLoss: config.assistant_only_loss,
    packing: config.packing,
    ...(config.completion_only_loss !== null && { completionOnlyLoss: config.completion_only_loss }),
    ...templateVariables(config),
  };
}

/** Rows to tokens and targets, packed where the configuration asks for it. Throws `dataset-invalid`, `template-invalid`. */
export function buildSftData(dataset: Dataset, tools: TextTools, config: SftConfig): SftData {
  const options = sftOptions(config);
  const notes: string[] = [...datasetNotes(dataset, config), ...ofTemplate(tools, dataset.train)];
  const rowsOf = (examples: readonly Example[], what: string, packing: boolean): readonly TrainingRow[] => {
    if (examples.length === 0) return [];
    const built = buildSftExamples(examples, tools, { ...options, packing });
    if (built.cut > 0)
      notes.push(
        `${built.cut} of ${examples.length} ${what} rows are longer than ${config.max_seq_length} tokens and were cut.`,
      );
    if (built.dropped.length > 0) {
      notes.push(
        `${built.dropped.length} ${what} rows have nothing to learn and were left out: ${built.dropped[0]?.reason}`,
      );
    }
    if (built.withoutEnd > 0) {
      notes.push(
        `In ${built.withoutEnd} ${what} rows the end of the answer is not learned: such answers may never stop.`,
      );
    }
    if (!packing) return unpackedRows(built.examples);
    const packed = packedRows(built.examples, config.max_seq_length, config.packing_strategy);
    if (packed.cutDocuments > 0) notes.push(`${packed.cutDocuments} ${what} rows were cut by packing.`);
    return packed.rows;
  };
  const train = rowsOf(dataset.train, "training", config.packing);
  // Evaluation is never packed, so that its loss does not depend on a training option.
  return { train, validation: rowsOf(dataset.validation, "validation", false), notes };
}

/** Preference rows to pairs of tokens. Throws `dataset-invalid`, `template-invalid`. */
export function preferenceData(dataset: Dataset, tools: TextTools, config: DpoConfig): PreferenceData {
  const { max_seq_length: maxSeqLength } = config;
  const notes: string[] = [...datasetNotes(dataset, config), ...ofTemplate(tools, dataset.train)];
  const pairsOf = (examples: readonly Example[], what: string): readonly PreferencePair[] => {
    if (examples.length === 0) return [];
    const built = buildPreferenceExamples(examples, tools, { maxSeqLength, ...templateVariables(config) });
    const of = `of ${examples.length} ${what} pairs`;
    if (built.cut > 0) notes.push(`${built.cut} ${of} are longer than ${maxSeqLength} tokens and were cut.`);
    notes.push(...leftOut(built.dropped, `${what} pairs`));
    if (built.equal > 0) notes.push(`${built.equal} ${of} are twice the same answer: they teach nothing.`);
    if (built.seamMismatches > 0) {
      notes.push(
        `In ${built.seamMismatches} ${of} the tokens of the prompt alone are no beginning of prompt and answer together: there the answer's first tokens may count as prompt, or the prompt's last ones as answer.`,
      );
    }
    return built.rows;
  };
  const train = pairsOf(dataset.train, "training");
  return { train, validation: pairsOf(dataset.validation, "validation"), notes };
}

/**
 * Rows to prompts of a method with rewards. Whether the rewards need the right answers is the caller's affair. Throws
 * `dataset-invalid`, `template-invalid`.
 */
export function promptData(dataset: Dataset, tools: TextTools, config: GroupConfig | PpoConfig): PromptData {
  const { max_prompt_length: maxPromptLength } = config;
  const notes: string[] = [...datasetNotes(dataset, config), ...ofTemplate(tools, dataset.train)];
  const promptsOf = (examples: readonly Example[], what: string): readonly PromptRow[] => {
    if (examples.length === 0) return [];
    const built = buildPrompts(examples, tools, { maxPromptLength, ...templateVariables(config) });
    const of = `of ${examples.length} ${what} prompts`;
    if (built.cut > 0) {
      notes.push(`${built.cut} ${of} are longer than ${maxPromptLength} tokens and kept their last ones.`);
    }
    notes.push(...leftOut(built.dropped, `${what} prompts`));
    if (built.plain > 0 && tools.template !== undefined) {
      notes.push(
        `${built.plain} ${of} are plain text and are not put into the chat template. Give messages, or a system_prompt, to ask them as a chat.`,
      );
    }
    return built.rows;
  };
  const train = promptsOf(dataset.train, "training");
  const withoutReference = train.filter(({ reference }) => reference === null).length;
  return {
    train,
    validation: promptsOf(dataset.validation, "validation"),
    hasReference: withoutReference === 0,
    withoutReference,
    notes,
  };
}

function leftOut(dropped: readonly DroppedRow[], what: string): string[] {
  const [first] = dropped;
  if (first === undefined) return [];
  return [`${dropped.length} ${what} were left out; the first because ${first.reason}.`];
}

/** How the dataset was read, and settings that mean nothing for these rows: said, never dropped in silence. */
export function datasetNotes({ part, notes: read }: Dataset, config: CommonConfig): string[] {
  const { config_name: subset, split, task_type: task } = config;
  const notes: string[] = [...read];
  if (subset !== null && !part) notes.push(`config_name (${subset}) is not used: a file has no subsets.`);
  if (!part && !/^train(\[|$)/.test(split))
    notes.push(`split (${split}): a file is one split, so its rows are used.`);
  if (task !== null) notes.push(`task_type (${task}) is not used: rows are read by the columns they have.`);
  if (config.preserve_columns.length > 0)
    notes.push(
      purposeOf(config) === "prompt"
        ? "preserve_columns is not needed: rewards see every column."
        : "preserve_columns is not used: only rewards see further columns.",
    );
  return notes;
}
