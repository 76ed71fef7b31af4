import { describe, expect, it } from "vitest";
import { createChatTemplate, loadChatTemplate } from "../../src/data/chat_template.ts";
import type { Example, Turns } from "../../src/data/example.ts";
import { buildPrompts } from "../../src/data/prompt_examples.ts";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { goldenFolder, goldenText } from "./support/files.ts";

const tokenizer = await loadTokenizer(goldenFolder("model"));
const template = await loadChatTemplate(goldenFolder("model"), tokenizer);
const tools = { tokenizer, template };
const user = (content: string) => ({ role: "user", content });

function prompts(...turns: Turns[]): Example[] {
  return turns.map((prompt, rowIndex) => ({
    ...{ kind: "prompt", prompt, reference: rowIndex === 0 ? "17" : null, row: { n: rowIndex }, rowIndex },
  }));
}

const decode = (ids: Int32Array) => tokenizer.decode([...ids], { skipSpecialTokens: false });

describe("prompts", () => {
  it("end where the answer begins", () => {
    const { rows, withReference, plain, cut } = buildPrompts(prompts([user("naïve 🦆?")], "1+1="), tools, {
      maxPromptLength: 512,
    });
    const chat = "<|im_start|>user\nnaïve 🦆?<|im_end|>\n<|im_start|>assistant\n";
    expect(rows.map(({ text }) => text)).toEqual([chat, "1+1="]);
    expect(rows.map(({ ids }) => decode(ids))).toEqual([chat, "1+1="]);
    expect(rows[0]).toMatchObject({
      reference: "17",
      row: { n: 0 },
      rowIndex: 0,
      prompt: [user("naïve 🦆?")],
    });
    expect([withReference, plain, cut]).toEqual([1, 1, 0]);
  });

  it("keep their last tokens, and the cuts are counted", () => {
    const whole = tokenizer.encode("How many are left? 1+1=", { addSpecialTokens: true });
    const { rows, cut } = buildPrompts(prompts("How many are left? 1+1=", "1+1="), tools, {
      maxPromptLength: 4,
    });
    expect([...(rows[0]?.ids ?? [])]).toEqual(whole.slice(-4));
    expect(rows[0]?.text).toBe("How many are left? 1+1=");
    expect(cut).toBe(1);
  });

  it("are the token ids that recorded rollouts of the same model have", () => {
    const lines = goldenText("rl-grpo-beta/rollouts.jsonl").trimEnd().split("\n");
    const recorded = lines.map((line) => JSON.parse(line) as { prompt: Turns; prompt_ids: number[] });
    const { rows } = buildPrompts(prompts(...recorded.map(({ prompt }) => prompt)), tools, {
      maxPromptLength: 512,
    });
    expect(rows.map(({ ids }) => [...ids])).toEqual(recorded.map(({ prompt_ids }) => prompt_ids));
  });

  it("that the template refuses are left out; without any left the first reason is said", () => {
    const strict = createChatTemplate(
      "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}{{ m.content }}{% endfor %}",
      tokenizer,
    );
    const bad = [{ role: "system", content: "s" }, user("a")];
    const built = buildPrompts(
      prompts(bad, [user("a")]),
      { tokenizer, template: strict },
      { maxPromptLength: 9 },
    );
    expect(built.dropped).toEqual([{ rowIndex: 0, reason: expect.stringMatching(/no system/) as string }]);
    expect(built.rows.map(({ rowIndex }) => rowIndex)).toEqual([1]);
    expect(() => buildPrompts(prompts(bad), { tokenizer, template: strict }, { maxPromptLength: 9 })).toThrow(
      /No row has a prompt to answer. 1 rows were left out; the first because .*no system/s,
    );
  });

  it("without a token are left out", () => {
    const silent = createChatTemplate("{% for m in messages %}{{ m.content }}{% endfor %}", tokenizer);
    const built = buildPrompts(
      prompts([user("")], [user("a")]),
      { tokenizer, template: silent },
      {
        maxPromptLength: 9,
      },
    );
    expect(built.dropped).toEqual([{ rowIndex: 0, reason: "its prompt has no token" }]);
  });

  it("template variables reach the template", () => {
    const source = "{{ messages[0].content }}{% if enable_thinking %}1+1={% endif %}";
    const thinking = { tokenizer, template: createChatTemplate(source, tokenizer) };
    const [row] = buildPrompts(prompts([user("a")]), thinking, {
      maxPromptLength: 9,
      templateVariables: { enable_thinking: true },
    }).rows;
    expect(row?.text).toBe("a1+1=");
  });

  it("of another kind are refused, and conversations without a template too", () => {
    const row: Example = { kind: "text", text: "a", row: {}, rowIndex: 0 };
    expect(() => buildPrompts([row], tools, { maxPromptLength: 8 })).toThrow(/learn from prompts/);
    expect(() =>
      buildPrompts(prompts([user("a")]), { tokenizer, template: undefined }, { maxPromptLength: 8 }),
    ).toThrow(/chatml/);
  });
});
