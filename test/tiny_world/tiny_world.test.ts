import { execFileSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { Template } from "@huggingface/jinja";
import { Tokenizer } from "@huggingface/tokenizers";
import { describe, expect, it } from "vitest";
import { isRecord } from "../../src/formats/json.ts";

const MODEL = "public/models/aligntune-tiny";
const MODEL_FILES = [
  "README.md",
  "chat_template.jinja",
  "config.json",
  "generation_config.json",
  "model.safetensors",
  "tokenizer.json",
  "tokenizer_config.json",
];
/** Rows and columns of each data set. */
const DATASETS: Record<string, readonly [number, readonly string[]]> = {
  ahoy: [1080, ["prompt", "completion"]],
  "ahoy-heldout": [120, ["prompt", "completion"]],
  arithmetic: [1024, ["prompt", "answer"]],
  "arithmetic-heldout": [200, ["prompt", "answer"]],
  "style-pairs": [1080, ["prompt", "chosen", "rejected"]],
  "style-pairs-heldout": [80, ["prompt", "chosen", "rejected"]],
};

interface Message {
  role: string;
  content: string;
}

const json = (path: string): Record<string, unknown> => {
  const value: unknown = JSON.parse(readFileSync(path, "utf8"));
  if (!isRecord(value)) throw new Error(`${path} holds no object.`);
  return value;
};

const rowsOf = (name: string): Record<string, unknown>[] =>
  readFileSync(`public/datasets/${name}.jsonl`, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

/** The messages of a column; an answer that is a plain string has none. */
const messagesOf = (value: unknown): Message[] => (Array.isArray(value) ? (value as Message[]) : []);
const questionOf = (row: Record<string, unknown>) => messagesOf(row["prompt"])[0]?.content ?? "";
const questions = (name: string) => rowsOf(name).map(questionOf);

const config = json(`${MODEL}/config.json`);
const tokenizerFile = json(`${MODEL}/tokenizer.json`);
const tokenizer = new Tokenizer(tokenizerFile, json(`${MODEL}/tokenizer_config.json`));
const template = new Template(readFileSync(`${MODEL}/chat_template.jinja`, "utf8"));
const render = (messages: Message[], add_generation_prompt = false) =>
  template.render({ messages, add_generation_prompt });
const encode = (text: string) => tokenizer.encode(text, { add_special_tokens: false }).ids;

describe("the embedded model's files", () => {
  it("are there and small", () => {
    const bytes = MODEL_FILES.reduce((sum, name) => sum + statSync(`${MODEL}/${name}`).size, 0);
    expect(bytes).toBeLessThan(12e6);
  });

  it("and the data sets are what the committed script makes", () => {
    const output = execFileSync("node", ["scripts/tiny_world/make_data.mjs", "--check"], {
      encoding: "utf8",
    });
    expect(output).toContain("All files are as the script makes them.");
  });

  it("hold the tensors of the configuration, in bf16", () => {
    const bytes = readFileSync(`${MODEL}/model.safetensors`);
    const length = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.toString("utf8", 8, 8 + length)) as Record<
      string,
      { dtype?: string; shape?: number[] }
    >;
    const { __metadata__: _, ...tensors } = header;
    expect(Object.keys(tensors)).toHaveLength(2 + 11 * Number(config["num_hidden_layers"]));
    expect(new Set(Object.values(tensors).map(({ dtype }) => dtype))).toEqual(new Set(["BF16"]));
    expect(tensors["model.embed_tokens.weight"]?.shape).toEqual([
      config["vocab_size"],
      config["hidden_size"],
    ]);
  });
});

describe("the tokenizer", () => {
  it.each(Object.keys(DATASETS))("round-trips %s", (name) => {
    const broken = rowsOf(name)
      .flatMap(Object.values)
      .flatMap(messagesOf)
      .map(({ content }) => content)
      .filter((text) => tokenizer.decode(encode(text), { skip_special_tokens: false }) !== text);
    expect(broken).toEqual([]);
  });

  it("has one token for each special token and each digit", () => {
    expect(encode("<|im_start|><|im_end|><|endoftext|>")).toHaveLength(3);
    expect(encode("75+38")).toHaveLength(5);
  });

  it("spells any text out of bytes", () => {
    const text = "Grüße, 日本 🙂\n\tx";
    expect(tokenizer.decode(encode(text), { skip_special_tokens: false })).toBe(text);
  });

  it("ends with the ids that the configuration names", () => {
    expect(encode("<|im_end|>")).toEqual([config["eos_token_id"]]);
    expect(encode("<|endoftext|>")).toEqual([config["pad_token_id"]]);
  });
});

describe("the chat template", () => {
  const chat: Message[] = [
    { role: "user", content: "Hi" },
    { role: "assistant", content: "Hello!" },
  ];

  it("writes ChatML and ends with the answer's end", () => {
    expect(render(chat)).toBe("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello!<|im_end|>");
  });

  it("writes a prompt that is the start of the conversation", () => {
    expect(render(chat).startsWith(render(chat.slice(0, 1), true))).toBe(true);
  });

  it("is the one of tokenizer_config.json", () => {
    expect(json(`${MODEL}/tokenizer_config.json`)["chat_template"]).toBe(
      readFileSync(`${MODEL}/chat_template.jinja`, "utf8"),
    );
  });
});

describe("the data sets", () => {
  it.each(Object.entries(DATASETS))("%s has its rows and columns", (name, [rows, columns]) => {
    expect(rowsOf(name)).toHaveLength(rows);
    expect(new Set(rowsOf(name).map((row) => Object.keys(row).join()))).toEqual(new Set([columns.join()]));
  });

  it.each(Object.keys(DATASETS))("%s asks every question once", (name) => {
    expect(new Set(questions(name)).size).toBe(questions(name).length);
  });

  it.each(["ahoy", "style-pairs"])("%s never names a held-out friend", (name) => {
    const friends = (set: string) =>
      new Set(
        rowsOf(set).map((row) => /[A-Z][a-z]{2}(?= (?:is|lives|likes) )/.exec(JSON.stringify(row))?.[0]),
      );
    const heldOut = friends(`${name}-heldout`);
    expect(heldOut.size).toBe(10);
    expect(friends(name).size).toBe(30);
    const text = readFileSync(`public/datasets/${name}.jsonl`, "utf8");
    expect([...heldOut].filter((friend) => text.includes(String(friend)))).toEqual([]);
  });

  it("keep the held-out problems out of training", () => {
    const problem = (text: string) => /\d+[+-]\d+/.exec(text)?.[0] ?? "";
    const training = new Set(questions("arithmetic").map(problem));
    const heldOut = questions("arithmetic-heldout").map(problem);
    expect(heldOut.filter((text) => text === "" || training.has(text))).toEqual([]);
  });

  it.each(["arithmetic", "arithmetic-heldout"])("%s has the right answers", (name) => {
    const wrong = rowsOf(name).filter((row) => {
      const [, a, op, b] = /(\d+)([+-])(\d+)/.exec(questionOf(row)) ?? [];
      return String(Number(a) + (op === "-" ? -1 : 1) * Number(b)) !== row["answer"];
    });
    expect(wrong).toEqual([]);
  });
});
