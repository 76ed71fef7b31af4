import type { RunConfig } from "../config/fields.ts";
import type { Example, ExampleBody, Turns } from "../data/example.ts";
import { encodeSftRow, type SftOptions } from "../data/sft_examples.ts";
import type { TextTools } from "../trainer/prepare_data.ts";
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
    };
  }
  return {
    maxSeqLength: config.max_seq_length,
    assistantOnlyLoss: config.assistant_only_loss,
    packing: false,
    ...(config.completion_only_loss !== null && { completionOnlyLoss: config.completion_only_loss }),
  };
}

/** The tokens that a text may have before it is cut. */
export const limitOf = (config: RunConfig): number =>
  "max_prompt_length" in config ? config.max_prompt_length : config.max_seq_length;

/** The two texts of a pair. Without a prompt of its own, each answer is the whole conversation or text. */
export function sidesOf(
  example: Example & { readonly kind: "preference" },
): readonly { title: string; row: Example }[] {
  const { row, rowIndex, prompt } = example;
  const whole = (turns: Turns): ExampleBody =>
    typeof turns === "string" ? { kind: "text", text: turns } : { kind: "messages", messages: turns };
  const side = (answer: Turns): Example => ({
    ...{ row, rowIndex },
    ...(prompt === undefined
      ? whole(answer)
      : { kind: "prompt_completion" as const, prompt, completion: answer }),
  });
  return [
    { title: "Chosen", row: side(example.chosen) },
    { title: "Rejected", row: side(example.rejected) },
  ];
}

/** Tokens of a row before it is cut; of the longer text of a pair. Undefined when it cannot be tokenized as asked. */
export function lengthOf(example: Example, tools: TextTools, config: RunConfig): number | undefined {
  if (example.kind === "prompt") return promptIds(example.prompt, tools).length;
  const rows = example.kind === "preference" ? sidesOf(example).map(({ row }) => row) : [example];
  const lengths = rows.flatMap((row) => {
    const encoded = encodeSftRow(row, tools, { ...sftOptions(config), packing: true });
    return "reason" in encoded ? [] : [encoded.example.ids.length];
  });
  return lengths.length > 0 ? Math.max(...lengths) : undefined;
}
