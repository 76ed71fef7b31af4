import type { CommonConfig, DpoConfig, GroupConfig, PpoConfig, SftConfig } from "../config/fields.ts";
import { orRefusal } from "../data/encode_turns.ts";
import type { Example } from "../data/example.ts";
import { type TrainingRow, unpackedRows } from "../data/packed_rows.ts";
import { encodePair, type PreferencePair } from "../data/preference_examples.ts";
import { encodePrompt, type PromptRow } from "../data/prompt_examples.ts";
import { encodeSftRow } from "../data/sft_examples.ts";
import { rowsInMemory, type TrainRows } from "../data/train_rows.ts";
import type { Host } from "../host/host.ts";
import { type Dataset, loadDataset } from "./load_dataset.ts";
import {
  buildSftData,
  datasetNotes,
  preferenceData,
  promptData,
  sftOptions,
  type TextTools,
} from "./prepare_data.ts";
import { ofTemplate, templateVariables } from "./template_use.ts";

/** How rows in canonical form become what a method trains on: all at once, or one by one as a stream brings them. */
export interface RowEncoding<T> {
  /** Throws `dataset-invalid` when no row is left, `template-invalid`. */
  all(dataset: Dataset): {
    readonly train: readonly T[];
    readonly validation: readonly T[];
    readonly notes: readonly string[];
  };
  /** One row, or the reason why it is left out. */
  one(example: Example): { readonly row: T; readonly cut: boolean } | { readonly reason: string };
  /** Tokens of a row. */
  lengthOf(row: T): number;
  /** None is larger. */
  readonly largest: T;
  /** Rows of a batch: the unit of group_by_length. */
  readonly batchSize: number;
}

/** What a method trains on and is evaluated on. */
export interface TrainData<T> {
  readonly dataset: Dataset;
  readonly train: TrainRows<T>;
  readonly validation: readonly T[];
  /** What a person should know: rows cut, dropped, ambiguous. */
  readonly notes: readonly string[];
}

export interface TrainDataInput {
  readonly host: Host;
  readonly config: CommonConfig;
  readonly tools: TextTools;
  readonly skipBadRows: boolean;
}

/** The rows of a configuration, in memory or streamed. Throws as loadDataset and the encoding do. */
export async function trainData<T>(
  { host, config, tools, skipBadRows }: TrainDataInput,
  encoding: RowEncoding<T>,
): Promise<TrainData<T>> {
  const dataset = await loadDataset(host, config, tools.template !== undefined, skipBadRows);
  if (dataset.stream) {
    // Of the first rows only what is said of the settings is true of all.
    const validation = dataset.validation.flatMap((example) => {
      const one = orRefusal(() => encoding.one(example));
      return "reason" in one ? [] : [one.row];
    });
    const train = dataset.stream.open(encoding);
    const notes = [
      ...datasetNotes(dataset, config),
      ...ofTemplate(tools, dataset.train),
      ...lengthNote(train.known, encoding),
    ];
    return { dataset, train, validation, notes };
  }
  const { train, validation, notes } = encoding.all(dataset);
  const { batchSize, lengthOf } = encoding;
  const order = { strategy: config.train_sampling_strategy, seed: config.data_seed ?? config.seed };
  return { dataset, train: rowsInMemory(train, { ...order, batchSize, lengthOf }), validation, notes };
}

/** Memory is planned for the longest row that may come; what the first rows need says whether that is far too much. */
function lengthNote<T>(known: readonly T[], { lengthOf, largest }: RowEncoding<T>): string[] {
  const longest = known.reduce((most, row) => Math.max(most, lengthOf(row)), 0);
  return [
    `Memory is planned for rows of ${lengthOf(largest)} tokens, because the lengths of a stream are not known before; the longest of its first ${known.length} rows has ${longest}.`,
  ];
}

export function sftEncoding(tools: TextTools, config: SftConfig): RowEncoding<TrainingRow> {
  const options = sftOptions(config);
  const length = config.max_seq_length;
  return {
    all: (dataset) => buildSftData(dataset, tools, config),
    one(example) {
      const encoded = encodeSftRow(example, tools, options);
      if ("reason" in encoded) return encoded;
      const [row] = unpackedRows([encoded.example]);
      return row ? { row, cut: encoded.cut } : { reason: "it has no token" };
    },
    lengthOf: ({ ids }) => ids.length,
    largest: {
      ...{ ids: new Uint32Array(length), learned: new Uint8Array(length).fill(1, 1) },
      ...{ lengths: [length], rowIndices: [0] },
    },
    batchSize: config.batch_size,
  };
}

export function preferenceEncoding(tools: TextTools, config: DpoConfig): RowEncoding<PreferencePair> {
  const options = { maxSeqLength: config.max_seq_length, ...templateVariables(config) };
  const side = { ids: new Int32Array(config.max_seq_length), firstTarget: 1 };
  return {
    all: (dataset) => preferenceData(dataset, tools, config),
    one(example) {
      const encoded = encodePair(example, tools, options);
      return "reason" in encoded ? encoded : { row: encoded.pair, cut: encoded.cut };
    },
    lengthOf: ({ chosen, rejected }) => chosen.ids.length + rejected.ids.length,
    largest: { promptIds: new Int32Array(1), chosen: side, rejected: side, rowIndex: 0 },
    batchSize: config.batch_size,
  };
}

export function promptEncoding(
  tools: TextTools,
  config: GroupConfig | PpoConfig,
  promptsPerRollout: number,
): RowEncoding<PromptRow> {
  const options = { maxPromptLength: config.max_prompt_length, ...templateVariables(config) };
  const ids = new Int32Array(config.max_prompt_length);
  return {
    all: (dataset) => promptData(dataset, tools, config),
    one(example) {
      const encoded = encodePrompt(example, tools, options);
      return "reason" in encoded ? encoded : { row: encoded.prompt, cut: encoded.cut };
    },
    lengthOf: (row) => row.ids.length,
    largest: { ids, prompt: "", text: "", reference: null, row: {}, rowIndex: 0 },
    batchSize: promptsPerRollout,
  };
}
