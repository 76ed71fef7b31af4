import type { RunConfig } from "../config/fields.ts";
import type { Example, Turns } from "../data/example.ts";
import { splitPair } from "../data/preference_examples.ts";
import { encodeSftRow, type SftOptions } from "../data/sft_examples.ts";
import type { TextTools } from "../trainer/prepare_data.ts";
import { templateVariables } from "../trainer/template_use.ts";
import { promptIds } from "./sampler.ts";

/** How long rows are before anything is cut. */

/** How a row of any method becomes one text, as SFT would read it. */
export function sftOptions(config: RunConfig): SftOptions {
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
export function sidesOf(
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
