import type { CommonConfig, DpoConfig, GroupConfig, PpoConfig, SftConfig } from "../config/fields.ts";
import { type ChatTemplate, loadChatTemplate } from "../data/chat_template.ts";
import { columnsInUse, type ExampleOptions, type ExampleSet, readExamples } from "../data/dataset_formats.ts";
import { duplicateNotes } from "../data/duplicates.ts";
import type { DroppedRow } from "../data/encode_turns.ts";
import type { Example } from "../data/example.ts";
import { packedRows, type TrainingRow, unpackedRows } from "../data/packed_rows.ts";
import { buildPreferenceExamples, type PreferencePair } from "../data/preference_examples.ts";
import { buildPrompts, type PromptRow } from "../data/prompt_examples.ts";
import type { RowPurpose } from "../data/row_format.ts";
import type { FirstRows, RowFile } from "../data/rows.ts";
import { buildSftExamples, type SftOptions } from "../data/sft_examples.ts";
import { type SplitName, splitName, splitRows } from "../data/splits.ts";
import { loadTokenizer, type Tokenizer } from "../data/tokenizer.ts";
import type { DatasetAsset, Folder, Host } from "../host/host.ts";
import { AppError, invariant } from "../lib/errors.ts";
import { datasetsOf, type MixedSource, mixDatasets, type WeightedDataset } from "./mix_datasets.ts";
import { processRows } from "./process_rows.ts";
import { readSplit } from "./read_split.ts";

export interface TextTools {
  readonly tokenizer: Tokenizer;
  /** Undefined when the model has none and ChatML was not asked for. */
  readonly template: ChatTemplate | undefined;
}

/** A dataset as it was read, in canonical form, cut into parts. */
export interface Dataset {
  readonly file: RowFile;
  readonly set: ExampleSet;
  readonly train: readonly Example[];
  readonly validation: readonly Example[];
  readonly test: readonly Example[];
  /** Which subset and split were read, of a dataset that has them; undefined for a file. */
  readonly part: DatasetAsset["part"];
  /** What each dataset gives, of a run with several. */
  readonly sources?: readonly MixedSource[];
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

/**
 * Reads the dataset of a configuration, for the purpose of its algorithm unless another is given, runs its processing_fn, and
 * cuts it into train, validation and test. Throws `file-missing`, `dataset-invalid`, `user-code-*`; with `skipBadRows` unset
 * also when any row cannot be used, naming the first.
 */
export async function loadDataset(
  host: DataHost,
  config: CommonConfig,
  hasTemplate: boolean,
  skipBadRows: boolean,
  purpose: RowPurpose = purposeOf(config),
): Promise<Dataset> {
  const load = async (one: CommonConfig) =>
    withDuplicates(await loadOne(host, one, hasTemplate, skipBadRows, purpose));
  if (config.more_datasets.length === 0) return load(config);
  const parts: WeightedDataset[] = [];
  for (const { config: one, weight } of datasetsOf(config)) {
    // How many rows are evaluated is said of all datasets together.
    const dataset = await load({ ...one, max_eval_samples: null });
    parts.push({ name: one.dataset_name ?? "", weight, dataset });
  }
  const [first, ...others] = parts;
  invariant(first !== undefined, "a run has a dataset");
  return mixDatasets([first, ...others], config);
}

function withDuplicates(dataset: Dataset): Dataset {
  const rows = (examples: readonly Example[]) => examples.map(({ row }) => row);
  const notes = duplicateNotes(rows(dataset.train), rows([...dataset.validation, ...dataset.test]));
  return notes.length === 0
    ? dataset
    : { ...dataset, set: { ...dataset.set, notes: [...dataset.set.notes, ...notes] } };
}

type DataHost = Pick<Host, "openDataset" | "readText" | "userCode" | "log">;

async function loadOne(
  host: DataHost,
  config: CommonConfig,
  hasTemplate: boolean,
  skipBadRows: boolean,
  purpose: RowPurpose,
): Promise<Dataset> {
  const { text_column: textColumn } = config;
  const mapping =
    textColumn === null ? config.column_mapping : { ...config.column_mapping, [textColumn]: "text" };
  const { config_name: subset, max_samples: limit } = config;
  const options: ExampleOptions = {
    purpose,
    hasTemplate,
    ...(config.task_type !== null && { taskType: config.task_type }),
    ...(mapping && { columnMapping: mapping }),
    ...(config.system_prompt !== null && { systemPrompt: config.system_prompt }),
  };
  const read = async (name: string, split: string | readonly string[], percent: number | null) => {
    const named = { ...options, name };
    // A processing_fn may read any column.
    const some = config.processing_fn === null && {
      columnsInUse: (first: FirstRows) => columnsInUse(first, named),
    };
    const source = { name, subset, split, percent, limit, ...some };
    const { file: rows, part } = await readSplit(host, source);
    const file = await processRows(host, config, rows);
    const set = readExamples(file, named);
    if (set.problemTotal > 0 && !skipBadRows) throw badRows(name, set);
    return { file, set, part };
  };
  const name = config.dataset_name ?? "";
  const { file, set, part } = await read(name, config.split, config.percent);
  const { examples } = set;
  const whole = { file, set, part };
  if (config.eval_dataset_name !== null) {
    const other = await read(config.eval_dataset_name, ["validation", "test", "train"], null);
    return { ...whole, train: examples, validation: limited(other.set.examples, config), test: [] };
  }
  const { val_split_ratio: valSplitRatio, test_split_ratio: testSplitRatio, seed } = config;
  // A dataset's own split is what is held out; only what it has not is cut from the rows that are trained on.
  const ownValidation = valSplitRatio > 0 ? ownSplit(part, "validation") : undefined;
  const parts = splitRows(examples.length, {
    valSplitRatio: ownValidation === undefined ? valSplitRatio : 0,
    testSplitRatio: ownSplit(part, "test") === undefined ? testSplitRatio : 0,
    seed,
  });
  const pick = (rows: readonly number[]) => rows.map((row) => examples[row] as Example);
  const heldOut =
    ownValidation === undefined
      ? pick(parts.validation)
      : (await read(name, ownValidation, null)).set.examples;
  return {
    ...{ ...whole, train: pick(parts.train), test: pick(parts.test) },
    validation: limited(heldOut, config),
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

/** Rows to tokens and targets, packed where the configuration asks for it. Throws `dataset-invalid`, `template-invalid`. */
export function buildSftData(dataset: Dataset, tools: TextTools, config: SftConfig): SftData {
  const options: SftOptions = {
    maxSeqLength: config.max_seq_length,
    assistantOnlyLoss: config.assistant_only_loss,
    packing: config.packing,
    ...(config.completion_only_loss !== null && { completionOnlyLoss: config.completion_only_loss }),
    ...(config.enable_thinking !== null && {
      templateVariables: { enable_thinking: config.enable_thinking },
    }),
  };
  const notes: string[] = [...dataset.set.notes, ...withoutMeaning(dataset, config)];
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
  const notes: string[] = [...dataset.set.notes, ...withoutMeaning(dataset, config)];
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
  const notes: string[] = [...dataset.set.notes, ...withoutMeaning(dataset, config)];
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

function templateVariables({ enable_thinking }: Pick<CommonConfig, "enable_thinking">) {
  return enable_thinking === null ? {} : { templateVariables: { enable_thinking } };
}

function leftOut(dropped: readonly DroppedRow[], what: string): string[] {
  const [first] = dropped;
  if (first === undefined) return [];
  return [`${dropped.length} ${what} were left out; the first because ${first.reason}.`];
}

/** Settings that mean nothing for these rows, when they are given: said, never dropped in silence. */
function withoutMeaning({ part }: Dataset, config: CommonConfig): string[] {
  const { config_name: subset, split } = config;
  const notes: string[] = [];
  if (subset !== null && !part) notes.push(`config_name (${subset}) is not used: a file has no subsets.`);
  if (!part && !/^train(\[|$)/.test(split))
    notes.push(`split (${split}): a file is one split, so its rows are used.`);
  if (config.preserve_columns.length > 0)
    notes.push(
      purposeOf(config) === "prompt"
        ? "preserve_columns is not needed: rewards see every column."
        : "preserve_columns is not used: only rewards see further columns.",
    );
  return notes;
}
