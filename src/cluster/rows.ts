import { usesRewards } from "../config/algorithm.ts";
import type { RunConfig } from "../config/fields.ts";
import type { Example } from "../data/example.ts";

/** Rows as TRL reads them, one JSON object a line: processed, mapped and with their system prompt, without a template. */
export function trlRows(examples: readonly Example[], config: RunConfig): string {
  const variables =
    // The methods with rewards are told once for all rows, in trl_arguments.ts.
    config.enable_thinking === null || usesRewards(config.algorithm)
      ? {}
      : { chat_template_kwargs: { enable_thinking: config.enable_thinking } };
  return examples.map((example) => `${JSON.stringify({ ...trlRow(example), ...variables })}\n`).join("");
}

function trlRow(example: Example): Record<string, unknown> {
  switch (example.kind) {
    case "text":
      return { text: example.text };
    case "messages":
      return { messages: example.messages };
    case "prompt_completion":
      return { prompt: turns(example.prompt), completion: turns(example.completion) };
    case "preference":
      return {
        ...(example.prompt !== undefined && { prompt: turns(example.prompt) }),
        chosen: turns(example.chosen),
        rejected: turns(example.rejected),
      };
    case "prompt":
      // Columns have whatever types they like: as text they survive a table.
      return {
        prompt: turns(example.prompt),
        reference: example.reference,
        row: JSON.stringify(example.row),
      };
  }
}

const turns = (value: string | readonly object[]): string | readonly object[] => value;
