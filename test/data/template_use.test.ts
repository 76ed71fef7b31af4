import { expect, it } from "vitest";
import { loadChatTemplate } from "../../src/data/chat_template.ts";
import type { Example, ExampleBody } from "../../src/data/example.ts";
import { createTokenizer, loadTokenizer } from "../../src/data/tokenizer.ts";
import { ofTemplate } from "../../src/trainer/template_use.ts";
import { folderOf, goldenFolder, goldenText } from "./support/files.ts";

const row = (body: ExampleBody): Example => ({ ...body, row: {}, rowIndex: 0 });
const chat = row({ kind: "messages", messages: [{ role: "user", content: "Hi" }] });
const text = row({ kind: "text", text: "Hi" });

it("says that ChatML stands in for a template, and when its markers are only text to the tokenizer", async () => {
  const tokenizer = await loadTokenizer(goldenFolder("model"));
  const own = await loadChatTemplate(goldenFolder("model"), tokenizer);
  const chatml = await loadChatTemplate(folderOf({}), tokenizer, { source: "chatml" });
  expect(ofTemplate({ tokenizer, template: own }, [chat])).toEqual([]);
  expect(ofTemplate({ tokenizer, template: chatml }, [text])).toEqual([]);
  expect(ofTemplate({ tokenizer, template: chatml }, [text, chat])).toEqual([
    "Conversations are written in ChatML (chat_template: chatml).",
  ]);

  const json = JSON.parse(goldenText("model/tokenizer.json")) as { added_tokens: { content: string }[] };
  const added_tokens = json.added_tokens.filter(({ content }) => content !== "<|im_start|>");
  const config = { eos_token: "<|im_end|>" };
  const other = createTokenizer({ name: "m", tokenizer: { ...json, added_tokens }, config, generation: {} });
  expect(ofTemplate({ tokenizer: other, template: chatml }, [chat])[0]).toMatch(
    /are no tokens of this tokenizer/,
  );
});
