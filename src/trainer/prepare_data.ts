import type { CommonConfig, DpoConfig, GroupConfig, PpoConfig, SftConfig } from "../config/fields.ts";
import { type ChatTemplate, loadChatTemplate } from "../data/chat_template.ts";
import type { DroppedRow } from "../data/encode_turns.ts";
import type { Example } from "../data/example.ts";
import { packedRows, type TrainingRow, unpackedRows } from "../data/packed_rows.ts";
import { buildPreferenceExamples, type PreferencePair } from "../data/preference_examples.ts";
import { buildPrompts, type PromptRow } from "../data/prompt_examples.ts";
import { buildSftExamples, type SftOptions } from "../data/sft_examples.ts";
import { loadTokenizer, type Tokenizer } from "../data/tokenizer.ts";
import type { Folder } from "../host/host.ts";
import { type Dataset, purposeOf } from "./load_dataset.ts";
import { ofTemplate, templateVariables } from "./template_use.ts";

export interface TextTools {
  readonly tokenizer: Tokenizer;
  /** Undefined when the model has none and ChatML was not asked for. */
  readonly template: ChatTemplate | undefined;
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
  const { config_name: subset, split } = config;
  const notes: string[] = [...read];
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
