import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { createChatTemplate } from "../../src/data/chat_template.ts";
import { readExamples } from "../../src/data/dataset_formats.ts";
import { readRows } from "../../src/data/rows.ts";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { readSafetensors } from "../../src/formats/safetensors.ts";
import type { Folder } from "../../src/host/host.ts";
import { AppError } from "../../src/lib/errors.ts";
import { Random } from "../../src/lib/random.ts";
import { readModelSpec } from "../../src/model/registry.ts";
import { assetOf, goldenFolder, goldenText } from "./support/files.ts";

/**
 * Small valid files with bytes changed, cut, doubled and moved: whatever comes of it, reading ends in a result or in an error
 * that says what is wrong, and never asks for more memory than such a file could fill.
 */

const encode = (text: string) => new TextEncoder().encode(text);
const binary = (path: string) =>
  new Uint8Array(readFileSync(new URL(`../hub/files/${path}`, import.meta.url)));
/** Bytes that stand for much in the formats: signs, ends of ranges, continued numbers. */
const TELLING = [...encode("\"'{}[],:;\\\n\r\t 0-9.eE%"), 0, 1, 0x7f, 0x80, 0xc2, 0xff, 0xfe, 0xef];

function mutate(bytes: Uint8Array, random: Random): Uint8Array {
  let out = Uint8Array.from(bytes);
  const times = 1 + random.integer(4);
  for (let i = 0; i < times && out.length > 0; i++) out = change(out, random);
  return out;
}

function change(bytes: Uint8Array, random: Random): Uint8Array<ArrayBuffer> {
  const at = random.integer(bytes.length);
  const length = 1 + random.integer(Math.min(16, bytes.length - at));
  const out = Uint8Array.from(bytes);
  const joined = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));
  switch (random.integer(7)) {
    case 0:
      out[at] = random.integer(256);
      return out;
    case 1:
      out[at] = TELLING[random.integer(TELLING.length)] ?? 0;
      return out;
    case 2:
      out[at] = (out[at] ?? 0) ^ (1 << random.integer(8));
      return out;
    case 3:
      return joined(bytes.subarray(0, at), bytes.subarray(at + length));
    case 4:
      return joined(
        bytes.subarray(0, at + length),
        bytes.subarray(at, at + length),
        bytes.subarray(at + length),
      );
    case 5:
      return out.fill(0xff, at, at + length);
    default:
      return out.slice(0, at);
  }
}

/** Reads `count` mutants, and counts how many were read after all. */
async function fuzz(
  name: string,
  original: Uint8Array,
  count: number,
  read: (bytes: Uint8Array) => unknown,
): Promise<void> {
  await read(original);
  let refused = 0;
  for (let seed = 0; seed < count; seed++) {
    const bytes = mutate(original, new Random(seed, original.length));
    try {
      await read(bytes);
    } catch (error) {
      if (!(error instanceof AppError)) {
        throw new Error(`${name}, seed ${seed}: ${error instanceof Error ? error.stack : String(error)}`);
      }
      expect(error.message, `${name}, seed ${seed}`).not.toMatch(/undefined|\[object/);
      refused += 1;
    }
  }
  // Some mutants are refused, else nothing was tried.
  expect(refused).toBeGreaterThan(0);
}

async function rows(name: string, bytes: Uint8Array): Promise<void> {
  const file = await readRows(assetOf(name, bytes));
  expect(file.rows.length).toBeLessThan(10_000);
  readExamples(file, { purpose: "sft", hasTemplate: true });
}

describe("damaged data", () => {
  const csv = 'question,answer\r\n"What is ""two""?",2\r\n"Over\r\ntwo lines",3\r\nä,4\r\n';
  const messages = [
    { role: "user", content: "a" },
    { role: "assistant", content: "b" },
  ];
  const jsonl = `{"messages":${JSON.stringify(messages)}}\n{"messages":[{"from":"human","value":"é"}]}\n`;
  const json = `{"data":[{"instruction":"a","input":"","output":"b","history":[["c","d"]]}]}`;
  const utf16 = Uint8Array.from([
    0xff,
    0xfe,
    ...Array.from("text\na;b\n").flatMap((sign) => [sign.charCodeAt(0), 0]),
  ]);
  it.each([
    ["d.csv", encode(csv)],
    ["d.tsv", encode(csv.replaceAll(",", "\t"))],
    ["d.jsonl", encode(jsonl)],
    ["d.json", encode(json)],
    ["d.txt", utf16],
  ])("%s", async (name, bytes) => {
    await fuzz(name, bytes, 400, (mutant) => rows(name, mutant));
  });

  it.each(["groups", "gzip", "zstd", "brotli", "lz4", "values", "kinds"])("%s.parquet", async (name) => {
    await fuzz(name, binary(`kinds/${name}.parquet`), 150, async (mutant) => {
      const file = await readRows(assetOf("d.parquet", mutant));
      expect(file.rows.length).toBeLessThan(10_000);
    });
  });
});

describe("damaged models", () => {
  const safetensors = (): Uint8Array => {
    const header = encode(
      '{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"BF16","shape":[3],"data_offsets":[16,22]}}',
    );
    const bytes = new Uint8Array(8 + header.length + 22);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
    bytes.set(header, 8);
    return bytes;
  };

  it("safetensors", async () => {
    await fuzz("safetensors", safetensors(), 1500, async (mutant) => {
      const { tensors } = await readSafetensors(assetOf("m.safetensors", mutant));
      for (const tensor of tensors.values()) await tensor.bytes();
    });
  });

  it.each(["qwen3", "llama", "gemma3", "gpt2"])("config.json of %s", async (model) => {
    const text = readFileSync(new URL(`../golden/models/${model}/config.json`, import.meta.url));
    await fuzz(model, text, 200, (mutant) => readModelSpec(parsed(mutant)));
  });

  it("tokenizer.json", async () => {
    const folder = goldenFolder("model");
    const original = encode(goldenText("model/tokenizer.json"));
    await fuzz("tokenizer.json", original, 200, async (mutant) => {
      const tokenizer = await loadTokenizer(withFile(folder, "tokenizer.json", mutant));
      tokenizer.decode(tokenizer.encode("Hi there, 12!", { addSpecialTokens: true }), {
        skipSpecialTokens: false,
      });
    });
  });

  it("tokenizer_config.json and the template", async () => {
    const folder = goldenFolder("model");
    const tokenizer = await loadTokenizer(folder);
    const config = encode(goldenText("model/tokenizer_config.json"));
    await fuzz("tokenizer_config.json", config, 100, (mutant) =>
      loadTokenizer(withFile(folder, "tokenizer_config.json", mutant)),
    );
    const template = encode(goldenText("model/chat_template.jinja"));
    await fuzz("chat_template.jinja", template, 300, (mutant) => {
      const text = new TextDecoder().decode(mutant);
      const made = createChatTemplate(text, tokenizer);
      made.render(
        [
          { role: "user", content: "a" },
          { role: "assistant", content: "b" },
        ],
        { addGenerationPrompt: true },
      );
    });
  });
});

/** What readJson would say of it. */
function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new AppError("file-invalid", "This is no JSON.", { cause });
  }
}

function withFile(folder: Folder, name: string, bytes: Uint8Array): Folder {
  return {
    ...folder,
    open: (file) => (file === name ? Promise.resolve(assetOf(name, bytes)) : folder.open(file)),
  };
}
