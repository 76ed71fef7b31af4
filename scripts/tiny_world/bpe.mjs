/**
 * A byte-level BPE tokenizer: trainer and encoder, small and deterministic, in the form that Hugging Face's
 * tokenizer.json describes. Pre-tokenizer: Qwen2's (digits one by one).
 */

/** Qwen2's split pattern as tokenizer.json has it (Rust and Python read it). */
export const SPLIT_PATTERN =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/** The same pattern for JavaScript engines without inline modifiers. */
const SPLIT =
  /'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL]{2})|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+/gu;

/** GPT-2's printable stand-in for each byte: printable bytes stand for themselves, the rest start at U+0100. */
function byteAlphabet() {
  const alphabet = [];
  let extra = 256;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    alphabet.push(String.fromCodePoint(printable ? byte : extra++));
  }
  return alphabet;
}

const ALPHABET = byteAlphabet();
const ENCODER = new TextEncoder();

/** Splits a text into words, each a list of byte symbols. @returns {string[][]} */
function splitWords(text) {
  return (text.match(SPLIT) ?? []).map((word) => Array.from(ENCODER.encode(word), (byte) => ALPHABET[byte]));
}

/** Joins each occurrence of the pair (left, right) in `symbols`. */
function applyMerge(symbols, left, right) {
  const merged = [];
  for (let i = 0; i < symbols.length; i++) {
    if (symbols[i] === left && symbols[i + 1] === right) {
      merged.push(left + right);
      i += 1;
    } else {
      merged.push(symbols[i]);
    }
  }
  return merged;
}

/** Pairs of neighbours with their weighted counts, as `left right` (no symbol contains a space). */
function countPairs(words) {
  const counts = new Map();
  for (const { symbols, count } of words) {
    for (let i = 0; i + 1 < symbols.length; i++) {
      const pair = `${symbols[i]} ${symbols[i + 1]}`;
      counts.set(pair, (counts.get(pair) ?? 0) + count);
    }
  }
  return counts;
}

/** The most frequent pair; equal counts go by code units, so that the result does not depend on insertion order. */
function bestPair(counts) {
  let best;
  let bestCount = 0;
  for (const [pair, count] of counts) {
    if (count > bestCount || (count === bestCount && pair < best)) [best, bestCount] = [pair, count];
  }
  return best;
}

/**
 * Learns merges until every word of `texts` is one token or `maxTokens` (bytes included) is reached.
 * @param {string[]} texts
 * @param {number} maxTokens
 * @returns {{vocab: Map<string, number>, merges: [string, string][]}}
 */
export function trainBpe(texts, maxTokens) {
  const counted = new Map();
  for (const text of texts) {
    for (const symbols of splitWords(text)) {
      const key = symbols.join(" ");
      const word = counted.get(key);
      if (word) word.count += 1;
      else counted.set(key, { symbols, count: 1 });
    }
  }
  const words = [...counted.values()];
  const vocab = new Map([...ALPHABET].sort().map((symbol, id) => [symbol, id]));
  const merges = [];
  while (vocab.size < maxTokens) {
    const pair = bestPair(countPairs(words));
    if (pair === undefined) break;
    const [left, right] = pair.split(" ");
    merges.push([left, right]);
    vocab.set(left + right, vocab.get(left + right) ?? vocab.size);
    for (const word of words) word.symbols = applyMerge(word.symbols, left, right);
  }
  return { vocab, merges };
}

/** Merges one word's symbols by rank, lowest first. */
function mergeWord(symbols, ranks) {
  let current = symbols;
  for (;;) {
    let best = Number.POSITIVE_INFINITY;
    let at = -1;
    for (let i = 0; i + 1 < current.length; i++) {
      const rank = ranks.get(`${current[i]} ${current[i + 1]}`);
      if (rank !== undefined && rank < best) [best, at] = [rank, i];
    }
    if (at < 0) return current;
    current = applyMerge(current, current[at], current[at + 1]);
  }
}

/**
 * An encoder of texts with special tokens, with a cache over words.
 * @param {{vocab: Map<string, number>, merges: [string, string][]}} bpe
 * @param {Map<string, number>} specials special token to id
 * @returns {(text: string) => number[]}
 */
export function makeEncoder(bpe, specials) {
  const ranks = new Map(bpe.merges.map(([left, right], rank) => [`${left} ${right}`, rank]));
  const cache = new Map();
  const encodePlain = (text) =>
    splitWords(text).flatMap((symbols) => {
      const key = symbols.join("");
      const known = cache.get(key);
      if (known) return known;
      const ids = mergeWord(symbols, ranks).map((token) => bpe.vocab.get(token));
      cache.set(key, ids);
      return ids;
    });
  const escaped = [...specials.keys()].map((token) => token.replaceAll("|", "\\|"));
  const pattern = new RegExp(`(${escaped.join("|")})`);
  return (text) =>
    text
      .normalize("NFC")
      .split(pattern)
      .flatMap((part) => (specials.has(part) ? [specials.get(part)] : encodePlain(part)));
}
