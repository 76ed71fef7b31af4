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
 * of an answer. Where earlier turns are rewritten (reasoning that is dropped once it is past), each is looked for in the
 * whole text.
 */
function answersByPrefix(run: Run, messages: readonly Message[], options: RenderOptions) {
  const text = run(messages, options);
  const answers: Span[] = [];
  messages.forEach((message, i) => {
    if (message.role !== "assistant") return;
    const before = run(messages.slice(0, i), { ...options, addGenerationPrompt: true });
    const after = run(messages.slice(0, i + 1), { ...options, addGenerationPrompt: false });
    const found =
      after.startsWith(before) && text.startsWith(after)
        ? { start: before.length, end: after.length }
        : answerInside(run, messages, i, { options, text, before, from: answers.at(-1)?.end ?? 0 });
    if (!found) {
      throw new AppError(
        "template-invalid",
        "assistant_only_loss needs to know what the assistant wrote, but this chat template has no {% generation %} blocks and rewrites earlier turns. " +
          "Add {% generation %} ... {% endgeneration %} around the answers in chat_template.jinja, choose chat_template: chatml, or turn assistant_only_loss off.",
        { details: { message: i } },
      );
    }
    answers.push(found);
  });
  return { text, answers };
}

/**
 * Where message `i` stands in the text of the whole conversation, behind `from`: from its opening (or its own words, where
 * the template opens an answered turn in another way) to the end of its turn. The same conversation with other words in
 * its place shows what around them is the template's. Undefined where that cannot be told.
 */
function answerInside(
  run: Run,
  messages: readonly Message[],
  i: number,
  { options, text, before, from }: { options: RenderOptions; text: string; before: string; from: number },
): Span | undefined {
  const others = messages.map((message, at) => (at === i ? { ...message, content: START } : message));
  const parts = run(others, options).split(START);
  const alone = run(others.slice(0, i + 1), { ...options, addGenerationPrompt: false }).split(START);
  const [head = "", tail = ""] = parts;
  if (parts.length !== 2 || alone.length !== 2 || !text.endsWith(tail)) return undefined;
  const closing = alone[1] ?? "";
  const end = text.length - tail.length + closing.length;
  if (!tail.startsWith(closing)) return undefined;
  const unopened = run(messages.slice(0, i), { ...options, addGenerationPrompt: false });
  const opening = before.startsWith(unopened) ? before.slice(unopened.length) : "";
  const shared = commonStart(head, text);
  const opened = opening === "" ? -1 : text.lastIndexOf(opening, shared - opening.length);
  const own = opening !== "" && shared === head.length ? shared : -1;
  const start = opened >= from ? opened + opening.length : own;
  return start >= from && start <= end ? { start, end } : undefined;
}

function commonStart(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length += 1;
  return length;
}
