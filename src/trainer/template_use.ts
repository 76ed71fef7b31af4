import type { CommonConfig } from "../config/fields.ts";
import type { EncodeTools, TemplateVariables } from "../data/encode_turns.ts";
import type { Example } from "../data/example.ts";

/** What a configuration says to the chat template, for rows, prompts and what is shown of them. */
export function templateVariables({ enable_thinking }: Pick<CommonConfig, "enable_thinking">): {
  readonly templateVariables?: TemplateVariables;
} {
  return enable_thinking === null ? {} : { templateVariables: { enable_thinking } };
}

/** What is to be known of ChatML in place of the model's own template, where conversations are rendered with it. */
export function ofTemplate({ tokenizer, template }: EncodeTools, examples: readonly Example[]): string[] {
  if (template?.source !== "chatml" || !examples.some(isConversation)) return [];
  const markers = tokenizer.encode("<|im_start|>", { addSpecialTokens: false }).length;
  const spread = `its markers are no tokens of this tokenizer (<|im_start|> takes ${markers}), so the model learns them as text`;
  return [`Conversations are written in ChatML (chat_template: chatml)${markers > 1 ? `; ${spread}` : ""}.`];
}

function isConversation(example: Example): boolean {
  switch (example.kind) {
    case "text":
      return false;
    case "messages":
      return true;
    case "prompt_completion":
      return typeof example.prompt !== "string" || typeof example.completion !== "string";
    case "preference":
      return typeof example.chosen !== "string";
    case "prompt":
      return typeof example.prompt !== "string";
  }
}
