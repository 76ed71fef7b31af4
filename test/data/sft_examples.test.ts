import { describe, expect, it } from "vitest";
import { createChatTemplate, loadChatTemplate } from "../../src/data/chat_template.ts";
import type { Example, ExampleBody } from "../../src/data/example.ts";
import type { Message } from "../../src/data/message.ts";
import { renderRow } from "../../src/data/render.ts";
import { answerMask, buildSftExamples, type SftOptions, type SftTools } from "../../src/data/sft_examples.ts";
import { createTokenizer, loadTokenizer } from "../../src/data/tokenizer.ts";
import { goldenFolder, goldenText } from "./support/files.ts";

const tokenizer = await loadTokenizer(goldenFolder("model"));
const template = await loadChatTemplate(goldenFolder("model"), tokenizer);
const tools: SftTools = { tokenizer, template };
const options: SftOptions = { maxSeqLength: 512, assistantOnlyLoss: false, packing: false };

function examples(...bodies: ExampleBody[]): Example[] {
  return bodies.map((body, rowIndex) => ({ ...body, row: {}, rowIndex }));
}

/** The text that is learned, and the text that is not. */
function parts(body: ExampleBody, wanted: Partial<SftOptions> = {}, with_: SftTools = tools) {
  const example = buildSftExamples(examples(body), with_, { ...options, ...wanted }).examples[0];
  const pick = (bit: number) =>
    tokenizer.decode(
      [...(example?.ids ?? [])].filter((_, i) => example?.learned[i] === bit),
      { skipSpecialTokens: false },
    );
  return { given: pick(0), learned: pick(1) };
}

const user = (content: string) => ({ role: "user", content });
const assistant = (content: string) => ({ role: "assistant", content });
const chat: ExampleBody = {
  kind: "messages",
  messages: [user("Sure?"), assistant("Yes."), user("1+1="), assistant("2 🦆")],
};
const pair: ExampleBody = { kind: "prompt_completion", prompt: [user("1+1=")], completion: [assistant("2")] };

describe("what is learned", () => {
  it("text: everything, with the end appended once", () => {
    expect(parts({ kind: "text", text: "naïve 🦆" })).toEqual({ given: "", learned: "naïve 🦆<|im_end|>" });
    expect(parts({ kind: "text", text: "a<|im_end|>" }).learned).toBe("a<|im_end|>");
  });

  it("prompt and completion: the completion, unless switched off", () => {
    const plain: ExampleBody = { kind: "prompt_completion", prompt: "1+1=", completion: " 2" };
    expect(parts(plain)).toEqual({ given: "1+1=", learned: " 2<|im_end|>" });
    expect(parts(plain, { completionOnlyLoss: false })).toEqual({ given: "", learned: "1+1= 2<|im_end|>" });
    expect(parts(pair)).toEqual({
      given: "<|im_start|>user\n1+1=<|im_end|>\n<|im_start|>assistant\n",
      learned: "2<|im_end|>\n",
    });
  });

  it("conversations: everything, or what the assistant says", () => {
    expect(parts(chat).given).toBe("");
    expect(parts(chat, { completionOnlyLoss: true }).given).toBe("");
    expect(parts(chat, { assistantOnlyLoss: true }).learned).toBe("Yes.<|im_end|>2 🦆<|im_end|>");
  });

  it("both masks at once", () => {
    const prompt: Message[] = [user("Sure?"), assistant("Yes."), user("1+1=")];
    const body: ExampleBody = { kind: "prompt_completion", prompt, completion: [assistant("2")] };
    expect(parts(body, { assistantOnlyLoss: true }).learned).toBe("2<|im_end|>");
  });
});

describe("the seam of plain text", () => {
  it("is tokenized as one string; the completion begins after as many tokens as the prompt has alone", () => {
    // "many" is one token; cut in the middle of it, the prompt alone has another end than the whole.
    const cut: ExampleBody = { kind: "prompt_completion", prompt: "How ma", completion: "ny are left?" };
    const { examples: built, seamMismatches } = buildSftExamples(examples(cut), tools, options);
    const whole = tokenizer.encode("How many are left?<|im_end|>", { addSpecialTokens: true });
    const alone = tokenizer.encode("How ma", { addSpecialTokens: true });
    expect([...(built[0]?.ids ?? [])]).toEqual(whole);
    expect(whole.slice(0, alone.length)).not.toEqual(alone);
    expect(seamMismatches).toBe(1);
    expect([...(built[0]?.learned ?? [])]).toEqual(whole.map((_, i) => (i < alone.length ? 0 : 1)));
  });
});

describe("special tokens are never added twice", () => {
  const json = JSON.parse(goldenText("model/tokenizer.json")) as Record<string, unknown>;
  const withBos = createTokenizer({
    name: "m",
    tokenizer: {
      ...json,
      post_processor: {
        type: "TemplateProcessing",
        single: [{ SpecialToken: { id: "<|im_start|>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
        pair: [],
      },
    },
    config: { bos_token: "<|im_start|>", eos_token: "<|im_end|>" },
    generation: {},
  });
  const source = "{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}";
  const bosTools = { tokenizer: withBos, template: createChatTemplate(source, withBos) };

  it("text gets the tokenizer's, a rendered conversation its template's", () => {
    const count = (body: ExampleBody) => {
      const ids = buildSftExamples(examples(body), bosTools, options).examples[0]?.ids ?? [];
      return [...ids].filter((id) => id === withBos.bosId).length;
    };
    expect(count({ kind: "text", text: "Sure?" })).toBe(1);
    expect(count({ kind: "messages", messages: [user("Sure?")] })).toBe(1);
  });
});

describe("rows that are cut or left out", () => {
  it("keeps the first max_seq_length tokens and counts", () => {
    const built = buildSftExamples(examples(chat, { kind: "text", text: "Yes." }), tools, {
      ...options,
      maxSeqLength: 10,
    });
    expect(built.examples.map(({ ids }) => ids.length)[0]).toBe(10);
    expect(built.cut).toBe(1);
  });

  it("a prompt that fills max_seq_length leaves nothing to learn", () => {
    const built = buildSftExamples(examples(pair, { kind: "text", text: "a" }), tools, {
      ...options,
      maxSeqLength: 8,
    });
    expect(built.examples.map(({ rowIndex }) => rowIndex)).toEqual([1]);
    expect(built.dropped).toEqual([
      { rowIndex: 0, reason: expect.stringMatching(/its first 8 of \d+ tokens are prompt/) as string },
    ]);
  });

  it("packing cuts later and keeps such rows, as trl", () => {
    const built = buildSftExamples(examples(pair), tools, { ...options, maxSeqLength: 8, packing: true });
    expect(built.examples[0]?.ids.length).toBeGreaterThan(8);
    expect(built).toMatchObject({ cut: 0, dropped: [] });
  });

  it("an answer that is cut before its end teaches no stopping", () => {
    const long: ExampleBody = { kind: "text", text: "Yes. ".repeat(20) };
    expect(buildSftExamples(examples(long), tools, { ...options, maxSeqLength: 10 }).withoutEnd).toBe(1);
  });

  it("a conversation in which the assistant is silent is left out under assistant_only_loss", () => {
    const silent: ExampleBody = { kind: "messages", messages: [user("Sure?")] };
    const built = buildSftExamples(examples(silent, chat), tools, { ...options, assistantOnlyLoss: true });
    expect(built.dropped).toEqual([{ rowIndex: 0, reason: "the assistant says nothing in it" }]);
  });

  it("a conversation that the template refuses is left out with its reason", () => {
    const strict = createChatTemplate(
      "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}{{ m.content }}{% endfor %}",
      tokenizer,
    );
    const bad: ExampleBody = { kind: "messages", messages: [{ role: "system", content: "s" }] };
    const built = buildSftExamples(examples(bad, chat), { tokenizer, template: strict }, options);
    expect(built.dropped[0]?.reason).toMatch(/no system/);
    expect(() => buildSftExamples(examples(bad), { tokenizer, template: strict }, options)).toThrow(
      /No row has a token to learn.*no system/,
    );
  });
});

describe("what is refused", () => {
  it("conversations for a model without a template, with the way out", () => {
    expect(() => buildSftExamples(examples(chat), { tokenizer, template: undefined }, options)).toThrow(
      /chatml/,
    );
  });

  it("assistant_only_loss on plain text", () => {
    const text: ExampleBody = { kind: "text", text: "a" };
    expect(() => buildSftExamples(examples(text), tools, { ...options, assistantOnlyLoss: true })).toThrow(
      /needs conversations/,
    );
  });

  it("preference rows", () => {
    const row: ExampleBody = { kind: "preference", prompt: "p", chosen: "c", rejected: "r" };
    expect(() => buildSftExamples(examples(row), tools, options)).toThrow(/of the kind preference/);
  });
});

it("an answer covers the tokens from its first character's to its last one's first", () => {
  const spans = [
    { start: 0, end: 3 },
    { start: 3, end: 5 },
    { start: 3, end: 5 },
    { start: 5, end: 6 },
  ];
  expect([...answerMask(spans, [{ start: 1, end: 3 }])]).toEqual([1, 0, 0, 0]);
  expect([...answerMask(spans, [{ start: 3, end: 5 }])]).toEqual([0, 1, 0, 0]);
  expect([...answerMask(spans, [{ start: 3, end: 6 }])]).toEqual([0, 1, 1, 1]);
  expect([...answerMask(spans, [{ start: 3, end: 3 }])]).toEqual([0, 0, 0, 0]);
});

describe("a row as the page shows it", () => {
  const rendered = (body: ExampleBody, wanted: Partial<SftOptions> = {}) => {
    const row = examples(body)[0];
    if (!row) throw new Error("no row");
    return renderRow(row, tools, { ...options, ...wanted });
  };

  it("pieces make up the text; characters spread over tokens are one piece", () => {
    const { pieces, tokens, tokensUncut, limit, leftOut } = rendered(chat, { assistantOnlyLoss: true });
    expect(pieces.map(({ text }) => text).join("")).toBe(
      "<|im_start|>user\nSure?<|im_end|>\n<|im_start|>assistant\nYes.<|im_end|>\n<|im_start|>user\n1+1=<|im_end|>\n<|im_start|>assistant\n2 🦆<|im_end|>\n",
    );
    const duck = pieces.find(({ text }) => text.includes("🦆"));
    expect(duck?.ids.length).toBeGreaterThan(1);
    expect(duck?.learned).toBe(true);
    expect(pieces.filter(({ special }) => special).every(({ text }) => text.startsWith("<|im_"))).toBe(true);
    expect(pieces.flatMap(({ ids }) => ids)).toHaveLength(tokens);
    expect([tokensUncut, limit, leftOut]).toEqual([tokens, 512, undefined]);
  });

  it("reasoning that a template drops is neither shown nor learned, in either mask", () => {
    const source =
      "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}{% set c = m.content %}" +
      "{% if m.role == 'assistant' and not loop.last %}{% set c = c.split('</think>')[-1] %}{% endif %}" +
      "{{ c + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
    const forgetful = { tokenizer, template: createChatTemplate(source, tokenizer) };
    const first = [user("Sure?"), assistant("<think>a</think>Yes."), user("1+1=")];
    const last = [assistant("<think>b</think>2")];
    const learnedOf = (body: ExampleBody, wanted: Partial<SftOptions>) => {
      const [row] = examples(body);
      if (!row) throw new Error("no row");
      const { pieces } = renderRow(row, forgetful, { ...options, ...wanted });
      const text = pieces.map((piece) => piece.text).join("");
      const learned = pieces.flatMap((piece) => (piece.learned ? [piece.text] : [])).join("");
      return { shows: text.includes("<think>a"), learned };
    };
    expect(learnedOf({ kind: "prompt_completion", prompt: first, completion: last }, {})).toEqual({
      shows: false,
      learned: "<think>b</think>2<|im_end|>\n",
    });
    const whole = { kind: "messages", messages: [...first, ...last] } as const;
    expect(learnedOf(whole, { assistantOnlyLoss: true })).toEqual({
      shows: false,
      learned: "Yes.<|im_end|>\n<think>b</think>2<|im_end|>\n",
    });
  });

  it("what is past the limit is shown and not learned; a row left out says why", () => {
    const cut = rendered({ kind: "text", text: "Yes. ".repeat(20) }, { maxSeqLength: 10 });
    expect(cut.tokens).toBe(10);
    expect(cut.tokensUncut).toBeGreaterThan(10);
    expect(cut.pieces.slice(10).some(({ learned }) => learned)).toBe(false);
    expect(rendered(pair, { maxSeqLength: 8 })).toMatchObject({
      tokens: 0,
      leftOut: expect.stringMatching(/are prompt/) as string,
    });
  });
});
