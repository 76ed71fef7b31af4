import { describe, expect, it } from "vitest";
import { createChatTemplate, loadChatTemplate } from "../../src/data/chat_template.ts";
import type { Message } from "../../src/data/message.ts";
import { answerMask } from "../../src/data/sft_examples.ts";
import { strftime } from "../../src/data/strftime.ts";
import { CHATML } from "../../src/data/template_source.ts";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { fixture, folderOf, goldenFolder } from "./support/files.ts";

interface Chat {
  readonly name: string;
  readonly template: string;
  readonly messages: Message[];
  readonly text: string;
  readonly prompt: string;
  readonly ids: number[];
  readonly mask: number[];
}

const tokenizer = await loadTokenizer(goldenFolder("model"));
const whole = { addGenerationPrompt: false };
const opening = { addGenerationPrompt: true };
const chat: Message[] = [
  { role: "user", content: "Hi" },
  { role: "assistant", content: "Hello" },
  { role: "user", content: "Bye" },
  { role: "assistant", content: "See you" },
];

describe("text, tokens and assistant mask are transformers'", () => {
  it.each(fixture<Chat>("chats").map((row, i) => [row.name, i, row] as const))("%s %i", (name, _, row) => {
    const template = createChatTemplate(row.template, tokenizer);
    expect(template.render(row.messages, opening)).toBe(row.prompt);
    // trl trains Qwen3 on a template of its own, so only the marked form is its text.
    if (name !== "qwen3") expect(template.render(row.messages, whole)).toBe(row.text);
    const { text, answers } = template.renderWithAnswers(row.messages, whole);
    expect(text).toBe(row.text);
    const { ids, spans } = tokenizer.encodeWithSpans(text, { addSpecialTokens: false });
    expect(ids).toEqual(row.ids);
    expect([...answerMask(spans, answers)]).toEqual(row.mask);
  });
});

interface Trained {
  readonly name: string;
  readonly template: string;
  readonly chats: { messages: Message[]; text: string; answers: [number, number][] }[];
}

describe("well-known templates without generation blocks are learned from as trl does", () => {
  const special = { bos_token: "<bos>", eos_token: "<eos>", pad_token: "<pad>" };
  it.each(fixture<Trained>("training_templates").map((row) => [row.name, row] as const))("%s", (_, row) => {
    const template = createChatTemplate(row.template, { name: row.name, specialTokens: special });
    for (const { messages, text, answers } of row.chats) {
      const found = template.renderWithAnswers(messages, whole);
      expect(found.text).toBe(text);
      expect(found.answers.map(({ start, end }) => [start, end])).toEqual(answers);
    }
  });
});

function answersOf(source: string, messages: readonly Message[]): string[] {
  const { text, answers } = createChatTemplate(source, tokenizer).renderWithAnswers(messages, whole);
  return answers.map(({ start, end }) => text.slice(start, end));
}

describe("templates without generation blocks", () => {
  const unmarked = CHATML.replaceAll(/\{% (end)?generation %\}/g, "");

  it("ChatML: answers are what follows the opening", () => {
    expect(answersOf(unmarked, chat)).toEqual(["Hello<|im_end|>\n", "See you<|im_end|>\n"]);
  });

  const turns = (body: string, opening = "<|im_start|>assistant\n") =>
    `{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}{% set c = m.content %}${body}{{ c + '<|im_end|>\n' }}{% endfor %}` +
    `{% if add_generation_prompt %}{{ ${JSON.stringify(opening)} }}{% endif %}`;
  const thought: Message[] = [
    { role: "user", content: "Hi" },
    { role: "assistant", content: "<think>greet</think>Hello" },
    { role: "user", content: "Bye" },
    { role: "assistant", content: "<think>part</think>See you" },
  ];
  const forget = "{% set c = c.split('</think>')[-1] %}";

  it("reasoning that is dropped once it is past: what is left of each answer is learned", () => {
    const source = turns(`{% if m.role == 'assistant' and not loop.last %}${forget}{% endif %}`);
    expect(answersOf(source, thought)).toEqual([
      "Hello<|im_end|>\n",
      "<think>part</think>See you<|im_end|>\n",
    ]);
  });

  it("an opening that no answered turn has: each answer's own words are learned", () => {
    const opening = "<|im_start|>assistant\n<think>\n";
    const source = turns(`{% if m.role == 'assistant' %}${forget}{% endif %}`, opening);
    expect(answersOf(source, thought)).toEqual(["Hello<|im_end|>\n", "See you<|im_end|>\n"]);
  });

  it("an empty block before the last answer alone is part of it", () => {
    const block = "{% if m.role == 'assistant' and loop.last %}{{ '<think></think>' }}{% endif %}";
    expect(answersOf(turns(block), chat)).toEqual([
      "Hello<|im_end|>\n",
      "<think></think>See you<|im_end|>\n",
    ]);
  });

  it("answers that say the same are told apart", () => {
    const twice = [...chat.slice(0, 2), ...chat.slice(0, 2)];
    const source = turns("{% if loop.last %}{{ '!' }}{% endif %}");
    const { text, answers } = createChatTemplate(source, tokenizer).renderWithAnswers(twice, whole);
    expect(answers.map(({ start }) => text.slice(0, start).split("assistant").length - 1)).toEqual([1, 2]);
  });

  it("a template that shows nothing of an answer, or opens none, is refused, with what to do", () => {
    const rewriting = "{% for m in messages %}{{ loop.revindex }}{{ m.content }}{% endfor %}";
    expect(() => answersOf(rewriting, chat)).toThrow(/Add \{% generation %\}/);
    expect(() => answersOf(turns("{% if not loop.last %}{% set c = '' %}{% endif %}"), chat)).toThrow(
      /Add \{% generation %\}/,
    );
  });
});

describe("choosing a template", () => {
  const config = (value: unknown) =>
    folderOf({ "tokenizer_config.json": JSON.stringify({ chat_template: value }) });
  const textOf = async (value: unknown) => (await loadChatTemplate(config(value), tokenizer))?.text;

  it("chat_template.jinja wins over tokenizer_config.json", async () => {
    const folder = folderOf({ "chat_template.jinja": "A", "tokenizer_config.json": '{"chat_template":"B"}' });
    expect((await loadChatTemplate(folder, tokenizer))?.text).toBe("A");
  });

  it("tokenizer_config.json: text, or the one called default", async () => {
    expect(await textOf("B")).toBe("B");
    expect(
      await textOf([
        { name: "rag", template: "C" },
        { name: "default", template: "D" },
      ]),
    ).toBe("D");
    await expect(textOf([{ name: "rag", template: "C" }])).rejects.toMatchObject({
      code: "template-invalid",
    });
  });

  it("a model without one has none, unless ChatML is asked for", async () => {
    expect(await loadChatTemplate(folderOf({}), tokenizer)).toBeUndefined();
    const chatml = await loadChatTemplate(folderOf({}), tokenizer, { source: "chatml" });
    expect(chatml?.render(chat.slice(0, 1), opening)).toBe(
      "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    );
  });
});

describe("what templates may use", () => {
  const render = (source: string, variables = {}, date?: Date) =>
    createChatTemplate(source, tokenizer, date ? { date } : {}).render(chat, { ...whole, variables });

  it("special tokens, and nothing for those the tokenizer lacks", () => {
    expect(render("{{ eos_token }}|{{ pad_token }}|{% if bos_token is defined %}x{% endif %}")).toBe(
      "<|im_end|>|<pad>|",
    );
  });

  it("tools are none; variables are passed on", () => {
    const source = "{% if tools is none and enable_thinking is false %}none{% endif %}";
    expect(render(source, { enable_thinking: false })).toBe("none");
  });

  it("range, strip with its characters", () => {
    expect(render("{% for i in range(2, 5) %}{{ i }}{% endfor %}{{ range(3)|length }}")).toBe("2343");
    expect(render(`{{ "xx a xx".strip("x") }}|{{ " b ".strip() }}|{{ "\n c\n".rstrip("\n") }}`)).toBe(
      " a |b|\n c",
    );
  });

  it("the day is the run's, not today's", () => {
    expect(render(`{{ strftime_now("%d %b %Y") }}`)).toBe("26 Jul 2024");
    expect(render(`{{ strftime_now("%Y-%m-%d") }}`, {}, new Date(Date.UTC(2026, 0, 2)))).toBe("2026-01-02");
    expect(strftime(new Date(Date.UTC(2026, 0, 2, 3, 4, 5)), "%A %a %B %y %H:%M:%S %% %q")).toBe(
      "Friday Fri January 26 03:04:05 % %q",
    );
  });

  it("raise_exception refuses the conversation, broken Jinja the template", () => {
    expect(() => render(`{{ raise_exception("roles must alternate") }}`)).toThrow(
      /refuses this conversation: roles must alternate/,
    );
    expect(() => render("{% for %}")).toThrow(/cannot be read/);
  });
});
