import { describe, expect, it } from "vitest";
import { createTokenizer, loadTokenizer } from "../../src/data/tokenizer.ts";
import { fixture, folderOf, goldenFolder, goldenText } from "./support/files.ts";

interface Encoded {
  readonly text: string;
  readonly ids: number[];
  readonly spans: [number, number][];
  readonly decoded: string;
  readonly plain: string;
}

const tiny = await loadTokenizer(goldenFolder("model"));
const both = { addSpecialTokens: true };

describe("the golden model's tokenizer is transformers'", () => {
  it.each(fixture<Encoded>("encodings").map((row) => [row.text, row] as const))("%j", (text, row) => {
    const { ids, spans } = tiny.encodeWithSpans(text, both);
    expect(ids).toEqual(row.ids);
    expect(tiny.encode(text, both)).toEqual(row.ids);
    expect(spans.map(({ start, end }) => [start, end])).toEqual(row.spans);
    expect(tiny.decode(ids, { skipSpecialTokens: false })).toBe(row.decoded);
    expect(tiny.decode(ids, { skipSpecialTokens: true })).toBe(row.plain);
  });
});

interface Family {
  readonly name: string;
  readonly tokenizer: Record<string, unknown>;
  readonly rows: Encoded[];
}

/** Texts in which normalizing joins characters: their spans are ours, see token_spans.ts. */
const joins = (text: string) => text.normalize("NFC") !== text;

for (const family of fixture<Family>("tokenizers")) {
  const config = { bos_token: "<s>", eos_token: "</s>" };
  const tokenizer = createTokenizer({
    name: family.name,
    tokenizer: family.tokenizer,
    config,
    generation: {},
  });
  describe(`${family.name}-like: ids, spans and text`, () => {
    it.each(family.rows.map((row) => [row.text, row] as const))("%j", (text, row) => {
      const { ids, spans } = tokenizer.encodeWithSpans(text, both);
      expect(ids).toEqual(row.ids);
      expect(tokenizer.decode(ids, { skipSpecialTokens: false })).toBe(row.decoded);
      if (family.name === "qwen" && joins(text)) expect(tiles(spans, text.length)).toBe(true);
      else expect(spans.map(({ start, end }) => [start, end])).toEqual(row.spans);
    });
  });
}

function tiles(spans: readonly { start: number; end: number }[], length: number): boolean {
  let at = 0;
  for (const { start, end } of spans) {
    if (start > at) return false;
    at = Math.max(at, end);
  }
  return at === length;
}

describe("special tokens", () => {
  it("come from tokenizer_config.json", () => {
    expect(tiny).toMatchObject({ eosId: 2, padId: 0, bosId: undefined, stopIds: [2], vocabSize: 380 });
    expect(tiny.specialTokens).toEqual({ eos_token: "<|im_end|>", pad_token: "<pad>" });
    expect([...tiny.specialIds].sort()).toEqual([0, 1, 2]);
  });

  const json = JSON.parse(goldenText("model/tokenizer.json")) as Record<string, unknown>;
  const create = (config: object, generation: object) =>
    createTokenizer({ name: "m", tokenizer: json, config: { ...config }, generation: { ...generation } });

  it("an answer may end with any eos_token_id of generation_config.json or with the tokenizer's own", () => {
    expect(create({ eos_token: "<|im_end|>" }, { eos_token_id: [5, 6] }).stopIds).toEqual([5, 6, 2]);
    expect(create({}, { eos_token_id: [2, 6] })).toMatchObject({ eosId: 2, padId: 2, stopIds: [2, 6] });
  });

  it("may be written as objects", () => {
    expect(create({ eos_token: { content: "<|im_end|>" } }, {}).eosId).toBe(2);
  });

  it("no end-of-sequence token is refused", () => {
    expect(() => create({}, {})).toThrow(/names no end-of-sequence token/);
  });

  it("special_tokens_map.json and config.json stand in", async () => {
    const folder = folderOf({
      "tokenizer.json": goldenText("model/tokenizer.json"),
      "special_tokens_map.json": '{"pad_token":"<pad>"}',
      "config.json": '{"eos_token_id":2}',
    });
    expect(await loadTokenizer(folder)).toMatchObject({ eosId: 2, padId: 0 });
  });

  it("generation_config.json wins over config.json where it says something, as in transformers", async () => {
    const load = (generation: object) =>
      loadTokenizer(
        folderOf({
          "tokenizer.json": goldenText("model/tokenizer.json"),
          "tokenizer_config.json": '{"eos_token":"<|im_end|>"}',
          "config.json": '{"eos_token_id":7,"pad_token_id":0}',
          "generation_config.json": JSON.stringify(generation),
        }),
      );
    expect(await load({ eos_token_id: [5, 6] })).toMatchObject({ stopIds: [5, 6, 2], padId: 0 });
    expect(await load({ eos_token_id: 5 })).toMatchObject({ stopIds: [5, 2] });
    expect(await load({ eos_token_id: null })).toMatchObject({ stopIds: [7, 2] });
    expect(await load({ do_sample: true })).toMatchObject({ stopIds: [7, 2] });
  });

  it("a folder without tokenizer.json is refused by name", async () => {
    await expect(loadTokenizer(folderOf({}))).rejects.toMatchObject({ code: "file-missing" });
  });
});

it("nothing decodes to nothing", () => {
  expect(tiny.decode([], { skipSpecialTokens: true })).toBe("");
  expect(tiny.decode([2], { skipSpecialTokens: true })).toBe("");
});

it("a tokenizer whose tokens do not tile the text is refused, with the place", () => {
  const json = JSON.parse(goldenText("model/tokenizer.json")) as Record<string, unknown>;
  const lower = createTokenizer({
    name: "m",
    tokenizer: { ...json, normalizer: { type: "Lowercase" } },
    config: { eos_token: "<|im_end|>" },
    generation: {},
  });
  expect(() => lower.encodeWithSpans("an Ada", both)).toThrow(/at character 2 the text is " Ada"/);
});
