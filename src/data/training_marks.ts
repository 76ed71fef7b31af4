/** A change to a template's text: what must be there, and what takes its place. */
interface Change {
  readonly find: RegExp;
  readonly put: string;
}

const END_OF_ANSWER: Change = {
  find: /\{\{- '<\|im_end\|>\\n' \}\}(?=\s*\{%- elif message\.role == "tool" %\})/,
  put: "{{- '<|im_end|>\\n' }}{%- endgeneration %}",
};

/**
 * Qwen3's own template drops the thinking block of earlier answers, so no answer but the last is learned as it would
 * be written: every answer keeps its block (`qwen3_training.jinja`).
 */
const QWEN3: readonly Change[] = [
  {
    find: /\{%- if loop\.index0 > ns\.last_query_index %\}[\s\S]*?\{%- else %\}\s*\{\{- '<\|im_start\|>' \+ message\.role \+ '\\n' \+ content \}\}\s*\{%- endif %\}\s*\{%- else %\}\s*\{\{- '<\|im_start\|>' \+ message\.role \+ '\\n' \+ content \}\}\s*\{%- endif %\}/,
    put:
      "{{- '<|im_start|>' + message.role + '\\n' }}{%- generation %}" +
      "{{- '<think>\\n' + reasoning_content.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}",
  },
  END_OF_ANSWER,
];

/** The line end after `assistant` counts as answer (`qwen2_5_training.jinja`). */
const QWEN2_5: readonly Change[] = [
  { find: / or \(message\.role == "assistant" and not message\.tool_calls\)/, put: "" },
  {
    find: /\{\{- '<\|im_start\|>' \+ message\.role \}\}\s*\{%- if message\.content %\}/,
    put: "{{- '<|im_start|>assistant' }}{%- generation %}{%- if message.content or not message.tool_calls %}",
  },
  {
    find: /\{%- for tool_call in message\.tool_calls %\}/,
    put: "{%- for tool_call in message.tool_calls or [] %}",
  },
  END_OF_ANSWER,
];

/** The end-of-sequence token after the last turn is part of the answer (`phi3_training.jinja`, `phi3_5_training.jinja`). */
const PHI3: readonly Change[] = [
  {
    find: /\{\{'<\|assistant\|>\n' \+ message\['content'\] \+ '<\|end\|>\n'\}\}/,
    put: "{{'<|assistant|>\n'}}{% generation %}{{ message['content'] + '<|end|>\n'}}{% endgeneration %}",
  },
  {
    find: /\{% else %\}\{\{ eos_token \}\}\{% endif %\}$/,
    put: "{% elif messages[-1]['role'] == 'assistant' %}{% generation %}{{ eos_token }}{% endgeneration %}{% else %}{{ eos_token }}{% endif %}",
  },
];

/**
 * A well-known template with its answers marked, as trl 1.13 (`get_training_chat_template`) swaps it for a training
 * form. A template comes back as it is unless every change of a family fits it.
 */
export function withTrainingMarks(source: string): string {
  const family = [QWEN3, QWEN2_5, PHI3].find((changes) => changes.every(({ find }) => find.test(source)));
  return (family ?? []).reduce((text, { find, put }) => text.replace(find, () => put), source);
}
