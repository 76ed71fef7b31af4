import type { Folder } from "../host/host.ts";
import { AppError } from "../lib/errors.ts";
import { compileTemplate } from "./jinja.ts";
import type { Message, Span } from "./message.ts";
import { strftime } from "./strftime.ts";
import { CHATML, findTemplate, hasGenerationTags, markGeneration } from "./template_source.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { withTrainingMarks } from "./training_marks.ts";

export interface RenderOptions {
  /** Whether the text ends with the opening of an answer, for prompts. */
  readonly addGenerationPrompt: boolean;
  /** Further variables of the template, e.g. `enable_thinking`. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

export interface ChatTemplate {
  readonly source: ChatTemplateSource;
  /** The Jinja text, as it is to be saved beside an adapter. */
  readonly text: string;
  /** Throws `template-invalid` when the template refuses the conversation. */
  render(messages: readonly Message[], options: RenderOptions): string;
  /**
   * The rendered text and what the assistant wrote in it. Throws `template-invalid` when that cannot be told.
   * The text may differ from `render`'s where the template has a training form (Qwen3).
   */
  renderWithAnswers(
    messages: readonly Message[],
    options: RenderOptions,
  ): { readonly text: string; readonly answers: readonly Span[] };
}

export type ChatTemplateSource = "model" | "chatml";

export interface ChatTemplateOptions {
  readonly source?: ChatTemplateSource;
  /** The day that templates print. It belongs to the run, so that resuming another day gives the same text. */
  readonly date?: Date;
}

/** The day that Llama 3's template names when it is told none. */
const DEFAULT_DATE = new Date(Date.UTC(2024, 6, 26));

/**
 * The model's chat template, or ChatML when `source` asks for it. Undefined when the model has none: the caller says
 * so and offers ChatML. Throws `template-invalid`.
 */
export async function loadChatTemplate(
  folder: Folder,
  tokenizer: Tokenizer,
  options: ChatTemplateOptions = {},
): Promise<ChatTemplate | undefined> {
  const source = options.source ?? "model";
  const text = source === "chatml" ? CHATML : await findTemplate(folder);
  return text === undefined ? undefined : createChatTemplate(text, tokenizer, { ...options, source });
}

/** Throws `template-invalid` when the text is no Jinja that can be read. */
export function createChatTemplate(
  text: string,
  tokenizer: Pick<Tokenizer, "name" | "specialTokens">,
  options: ChatTemplateOptions = {},
): ChatTemplate {
  const globals = {
    ...tokenizer.specialTokens,
    tools: null,
    documents: null,
    strftime_now: (format: unknown) => strftime(options.date ?? DEFAULT_DATE, String(format)),
  };
  const compile = (source: string): Run => {
    const program = compileTemplate(source, globals, tokenizer.name);
    return (messages, { addGenerationPrompt, variables }) =>
      program({ ...variables, messages, add_generation_prompt: addGenerationPrompt });
  };
  const run = compile(text);
  const training = hasGenerationTags(text) ? text : withTrainingMarks(text);
  const marked = hasGenerationTags(training) ? compile(markGeneration(training, START, END)) : undefined;
  return {
    source: options.source ?? "model",
    text,
    render: run,
    renderWithAnswers(messages, renderOptions) {
      if (marked) return takeMarks(marked(messages, renderOptions));
      return answersByPrefix(run, messages, renderOptions);
    },
  };
}

/** Private-use characters that no chat contains. */
const START = "\u{F1A00}\u{F1A01}";
const END = "\u{F1A00}\u{F1A02}";

type Run = (messages: readonly Message[], options: RenderOptions) => string;

/** Cuts the marks out and remembers where they were. Throws `template-invalid` when they do not come in pairs. */
function takeMarks(marked: string): { text: string; answers: Span[] } {
  const answers: Span[] = [];
  let text = "";
  let open: number | undefined;
  let at = 0;
  for (const match of marked.matchAll(new RegExp(`${START}|${END}`, "gu"))) {
    text += marked.slice(at, match.index);
    at = match.index + match[0].length;
    const opens = match[0] === START;
    if (opens !== (open === undefined)) throw unpaired();
    if (open === undefined) open = text.length;
    else {
      answers.push({ start: open, end: text.length });
      open = undefined;
    }
  }
  if (open !== undefined) throw unpaired();
  return { text: text + marked.slice(at), answers };
}

function unpaired(): AppError {
  return new AppError(
    "template-invalid",
    "The chat template's {% generation %} blocks do not come in pairs, or one lies in another, so what the assistant wrote cannot be told. Close each with {% endgeneration %}.",
  );
}

/**
 * Answers of a template without generation blocks: what the template adds for an assistant message after the opening
 * of an answer. Holds for templates that only ever append (ChatML, Llama 3, Gemma); others are refused.
 */
function answersByPrefix(run: Run, messages: readonly Message[], options: RenderOptions) {
  const text = run(messages, options);
  const answers: Span[] = [];
  messages.forEach((message, i) => {
    if (message.role !== "assistant") return;
    const before = run(messages.slice(0, i), { ...options, addGenerationPrompt: true });
    const after = run(messages.slice(0, i + 1), { ...options, addGenerationPrompt: false });
    if (!after.startsWith(before) || !text.startsWith(after)) {
      throw new AppError(
        "template-invalid",
        "assistant_only_loss needs to know what the assistant wrote, but this chat template has no {% generation %} blocks and rewrites earlier turns. " +
          "Add {% generation %} ... {% endgeneration %} around the answers in chat_template.jinja, choose chat_template: chatml, or turn assistant_only_loss off.",
        { details: { message: i } },
      );
    }
    answers.push({ start: before.length, end: after.length });
  });
  return { text, answers };
}
