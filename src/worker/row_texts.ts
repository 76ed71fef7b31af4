import { promptIds } from "../api/sampler.ts";
import type { RunConfig } from "../config/fields.ts";
import type { Example, Turns } from "../data/example.ts";
import { splitPair } from "../data/preference_examples.ts";
import { renderRow, renderTokens } from "../data/render.ts";
import { encodeSftRow, type SftOptions } from "../data/sft_examples.ts";
import type { RenderedRowData, RenderedText } from "../protocol/setup.ts";
import type { TextTools } from "../trainer/prepare_data.ts";
import { templateVariables } from "../trainer/template_use.ts";

/** A row as the model sees it, for the page: one text, two of a pair, or a prompt to be answered. */

function sftOptions(config: RunConfig): SftOptions {
  if (config.algorithm !== "sft") {
    const completionOnlyLoss = true;
    return {
      maxSeqLength: config.max_seq_length,
      assistantOnlyLoss: false,
      packing: false,
      completionOnlyLoss,
      ...templateVariables(config),
    };
  }
  return {
    maxSeqLength: config.max_seq_length,
    assistantOnlyLoss: config.assistant_only_loss,
    packing: false,
    ...(config.completion_only_loss !== null && { completionOnlyLoss: config.completion_only_loss }),
    ...templateVariables(config),
  };
}

/** The tokens that a text may have before it is cut. */
export const limitOf = (config: RunConfig): number =>
  "max_prompt_length" in config ? config.max_prompt_length : config.max_seq_length;

/**
 * The two texts of a pair, each with the prompt that training finds for it. Where there is none, each is the whole
 * conversation, which training leaves out.
 */
function sidesOf(
  example: Example & { readonly kind: "preference" },
): readonly { title: string; row: Example }[] {
  const { row, rowIndex } = example;
  const { prompt, chosen, rejected } = splitPair(example.prompt, example.chosen, example.rejected);
  const side = (completion: Turns): Example =>
    typeof completion !== "string" && prompt.length === 0
      ? { kind: "messages", messages: completion, row, rowIndex }
      : { kind: "prompt_completion", prompt, completion, row, rowIndex };
  return [
    { title: "Chosen", row: side(chosen) },
    { title: "Rejected", row: side(rejected) },
  ];
}

export function textsOf(example: Example, tools: TextTools, config: RunConfig): readonly RenderedText[] {
  if (example.kind === "prompt") {
    const ids = promptIds(example.prompt, tools, templateVariables(config).templateVariables);
    const pieces = renderTokens(ids, () => false, tools.tokenizer);
    return [{ title: "", pieces: pieces.map(plain), tokens: ids.length }];
  }
  const sides = example.kind === "preference" ? sidesOf(example) : [{ title: "", row: example }];
  return sides.map(({ title, row }) => {
    const { pieces, tokensUncut } = renderRow(row, tools, sftOptions(config));
    return { title, pieces: pieces.map(plain), tokens: tokensUncut };
  });
}

const plain = ({ text, learned, special }: RenderedText["pieces"][number]) => ({ text, learned, special });

/** Tokens of a row before it is cut; of the longer text of a pair. Undefined when it cannot be tokenized as asked. */
export function lengthOf(example: Example, tools: TextTools, config: RunConfig): number | undefined {
  if (example.kind === "prompt")
    return promptIds(example.prompt, tools, templateVariables(config).templateVariables).length;
  const rows = example.kind === "preference" ? sidesOf(example).map(({ row }) => row) : [example];
  const lengths = rows.flatMap((row) => {
    const encoded = encodeSftRow(row, tools, { ...sftOptions(config), packing: true });
    return "reason" in encoded ? [] : [encoded.example.ids.length];
  });
  return lengths.length > 0 ? Math.max(...lengths) : undefined;
}

const SPEAKERS = ["system", "user", "assistant"] as const;

/** The conversation that a prompt row asks the model to go on with; null where there is none, or one with tools. */
export function questionOf(example: Example): RenderedRowData["question"] {
  if (example.kind !== "prompt" || typeof example.prompt === "string") return null;
  const turns = example.prompt.flatMap(({ role, content }) => {
    const speaker = SPEAKERS.find((name) => name === role);
    return speaker && typeof content === "string" ? [{ role: speaker, content }] : [];
  });
  return turns.length === example.prompt.length ? turns : null;
}
