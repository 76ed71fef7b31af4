import { Tokenizer as Library } from "@huggingface/tokenizers";
import { isRecord, readJsonObject } from "../formats/json.ts";
import { requireFile } from "../formats/model_folder.ts";
import type { Folder } from "../host/host.ts";
import { AppError } from "../lib/errors.ts";
import { wordsOf } from "../lib/words_of.ts";
import type { Span } from "./message.ts";
import { alignTokens, type SourceForm, type TokenBytes } from "./token_spans.ts";

export interface TokenizerFiles {
  readonly name: string;
  /** tokenizer.json */
  readonly tokenizer: Readonly<Record<string, unknown>>;
  /** tokenizer_config.json, with special_tokens_map.json below it */
  readonly config: Readonly<Record<string, unknown>>;
  /** generation_config.json, with config.json below it: eos_token_id, bos_token_id, pad_token_id */
  readonly generation: Readonly<Record<string, unknown>>;
}

export interface Tokenizer {
  readonly name: string;
  /** One more than the largest id. The model's own vocab_size may be larger (padded). */
  readonly vocabSize: number;
  /** bos_token, eos_token, pad_token, unk_token: those that the tokenizer has, as the chat template gets them. */
  readonly specialTokens: Readonly<Record<string, string>>;
  readonly bosId: number | undefined;
  readonly eosId: number;
  /** EOS where the tokenizer has no pad token, as TRL. */
  readonly padId: number;
  /** Ids that end an answer: every eos_token_id of generation_config.json, and the tokenizer's own EOS. */
  readonly stopIds: readonly number[];
  /** Ids that are markers and no text. */
  readonly specialIds: ReadonlySet<number>;
  encode(text: string, options: { addSpecialTokens: boolean }): number[];
  /** As `encode`, with each token's place in the text. Throws `model-unsupported` when they do not tile the text. */
  encodeWithSpans(text: string, options: { addSpecialTokens: boolean }): { ids: number[]; spans: Span[] };
  decode(ids: readonly number[], options: { skipSpecialTokens: boolean }): string;
  /** The bytes an id stands for; one character may be spread over several ids. */
  tokenBytes(id: number): Uint8Array;
}

/** Reads the tokenizer of a model folder. Throws `file-missing`, `file-invalid`, `model-unsupported`. */
export async function loadTokenizer(folder: Folder): Promise<Tokenizer> {
  const tokenizer = await readJsonObject(await requireFile(folder, "tokenizer.json"));
  const map = await optionalObject(folder, "special_tokens_map.json");
  const config = { ...map, ...(await optionalObject(folder, "tokenizer_config.json")) };
  const model = await optionalObject(folder, "config.json");
  const own = Object.entries(await optionalObject(folder, "generation_config.json"));
  // A key that is null there says nothing, so config.json still does.
  const generation = { ...model, ...Object.fromEntries(own.filter(([, value]) => value !== null)) };
  return createTokenizer({ name: folder.name, tokenizer, config, generation });
}

async function optionalObject(folder: Folder, file: string): Promise<Record<string, unknown>> {
  const asset = await folder.open(file);
  return asset ? readJsonObject(asset) : {};
}

/**
 * Which special tokens `encode` adds is the post-processor's affair: as in transformers 5, add_bos_token and
 * add_eos_token of tokenizer_config.json have no say beside a tokenizer.json.
 * Throws `model-unsupported` for a tokenizer that cannot be read or that has no end-of-sequence token.
 */
export function createTokenizer(files: TokenizerFiles): Tokenizer {
  const library = openLibrary(files);
  const added = library.get_added_tokens_decoder();
  const addedTokens = new Map([...added.values()].map((token) => [token.content, token]));
  const form = readForm(files.tokenizer);
  const idOf = (token: string | undefined) => (token === undefined ? undefined : library.token_to_id(token));
  const specialTokens = readSpecialTokens(files, library);
  const eosId = idOf(specialTokens["eos_token"]);
  if (eosId === undefined) {
    throw new AppError(
      "model-unsupported",
      `The tokenizer of ${files.name} names no end-of-sequence token, so answers could never be taught to stop. Add eos_token to tokenizer_config.json.`,
    );
  }
  const specialIds = new Set([...added.values()].filter((token) => token.special).map((token) => token.id));
  for (const token of Object.values(specialTokens)) specialIds.add(idOf(token) ?? eosId);
  const bytesOf = (token: string) => tokenToBytes(token, addedTokens.get(token), form);

  function encodeBoth(text: string, addSpecialTokens: boolean) {
    const { ids, tokens } = library.encode(text, { add_special_tokens: addSpecialTokens });
    const unknown = ids.findIndex((id) => !Number.isInteger(id));
    if (unknown >= 0) {
      throw new AppError(
        "model-unsupported",
        `The tokenizer of ${files.name} has no id for ${JSON.stringify(tokens[unknown])} and no unknown token.`,
      );
    }
    return { ids, tokens };
  }

  return {
    name: files.name,
    vocabSize: vocabSize(library),
    specialTokens,
    bosId: idOf(specialTokens["bos_token"]),
    eosId,
    padId: idOf(specialTokens["pad_token"]) ?? eosId,
    stopIds: [...new Set([...idList(files.generation["eos_token_id"]), eosId])],
    specialIds,
    encode: (text, { addSpecialTokens }) => encodeBoth(text, addSpecialTokens).ids,
    encodeWithSpans(text, { addSpecialTokens }) {
      const { ids, tokens } = encodeBoth(text, addSpecialTokens);
      return { ids, spans: alignTokens(text, tokens.map(bytesOf), form.source) };
    },
    decode(ids, { skipSpecialTokens }) {
      const kept = skipSpecialTokens ? ids.filter((id) => !specialIds.has(id)) : [...ids];
      if (kept.length === 0) return "";
      return library.decode(kept, { clean_up_tokenization_spaces: false });
    },
    tokenBytes: (id) => bytesOf(library.id_to_token(id) ?? "").bytes,
  };
}

function openLibrary(files: TokenizerFiles): Library {
  try {
    return new Library(files.tokenizer, files.config);
  } catch (cause) {
    const why = wordsOf(cause, "tokenizer.json lacks a part or has one of another kind");
    throw new AppError("model-unsupported", `The tokenizer of ${files.name} cannot be used: ${why}`, {
      cause,
    });
  }
}

function vocabSize(library: Library): number {
  let size = 0;
  for (const id of library.get_vocab().values()) size = Math.max(size, id + 1);
  return size;
}

const SPECIAL = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/** From tokenizer_config.json; bos, eos and pad that it does not name come from the ids of the model's configuration. */
function readSpecialTokens({ config, generation }: TokenizerFiles, library: Library): Record<string, string> {
  const tokens: Record<string, string> = {};
  for (const name of SPECIAL) {
    const id = idList(generation[`${name}_id`])[0];
    const text = tokenText(config[name]) ?? (id === undefined ? undefined : library.id_to_token(id));
    if (text !== undefined && library.token_to_id(text) !== undefined) tokens[name] = text;
  }
  return tokens;
}

/** A special token is written as text or as an object with `content`. */
function tokenText(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  return isRecord(value) && typeof value["content"] === "string" ? value["content"] : undefined;
}

function idList(value: unknown): number[] {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.filter((id) => typeof id === "number");
}

interface Form {
  readonly byteLevel: boolean;
  readonly byteFallback: boolean;
  readonly source: SourceForm;
}

/** How token strings stand for text, read off the parts of tokenizer.json. */
function readForm(json: Readonly<Record<string, unknown>>): Form {
  const decoders = typesIn(json["decoder"]);
  const normalizers = typesIn(json["normalizer"]);
  const unicode = (["NFC", "NFD", "NFKC", "NFKD"] as const).find((form) => normalizers.has(form));
  const metaspace =
    decoders.has("Metaspace") ||
    typesIn(json["pre_tokenizer"]).has("Metaspace") ||
    JSON.stringify(json["decoder"] ?? null).includes("\u2581");
  return {
    byteLevel: decoders.has("ByteLevel") || typesIn(json["pre_tokenizer"]).has("ByteLevel"),
    byteFallback: decoders.has("ByteFallback"),
    source: {
      unicode: normalizers.has("Precompiled") ? "NFKC" : unicode,
      metaspace,
      alwaysPrepends: normalizers.has("Prepend"),
    },
  };
}

function typesIn(value: unknown, found: Set<string> = new Set()): Set<string> {
  if (Array.isArray(value)) for (const item of value) typesIn(item, found);
  if (!isRecord(value)) return found;
  if (typeof value["type"] === "string") found.add(value["type"]);
  for (const key of ["normalizers", "pretokenizers", "decoders"]) typesIn(value[key], found);
  return found;
}

const encoder = new TextEncoder();

function tokenToBytes(token: string, added: { rstrip: boolean } | undefined, form: Form): TokenBytes {
  if (added) {
    return { bytes: encoder.encode(token), added: true, rstrip: added.rstrip, optionalSpace: false };
  }
  const plain = { added: false, rstrip: false };
  if (form.byteLevel) return { ...plain, bytes: Uint8Array.from(token, byteOfChar), optionalSpace: true };
  const fallback = form.byteFallback ? /^<0x([0-9A-Fa-f]{2})>$/.exec(token)?.[1] : undefined;
  if (fallback !== undefined) {
    return { ...plain, bytes: Uint8Array.of(Number.parseInt(fallback, 16)), optionalSpace: false };
  }
  const text = form.source.metaspace ? token.replaceAll("\u2581", " ") : token;
  return { ...plain, bytes: encoder.encode(text), optionalSpace: form.source.metaspace };
}

/** GPT-2's table of printable stand-ins: 188 bytes stand for themselves, the other 68 are U+0100 and up, in order. */
const BYTE_OF_CHAR = new Map<number, number>();
for (let byte = 0, next = 0x100; byte < 256; byte++) {
  const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  BYTE_OF_CHAR.set(printable ? byte : next++, byte);
}

function byteOfChar(char: string): number {
  return BYTE_OF_CHAR.get(char.codePointAt(0) ?? 0) ?? 0x3f;
}
