import type { Example } from "./example.ts";
import { encodeSftRow, type SftOptions, type SftTools } from "./sft_examples.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** One piece of a row as the page shows it: a token, or the few tokens that share one character. */
export interface RenderedPiece {
  readonly ids: readonly number[];
  readonly text: string;
  readonly learned: boolean;
  readonly special: boolean;
}

export interface RenderedRow {
  readonly pieces: readonly RenderedPiece[];
  /** Tokens that are trained on. */
  readonly tokens: number;
  /** Tokens the row has before it is cut. */
  readonly tokensUncut: number;
  readonly limit: number;
  /** Why the row is left out of training; undefined when it is not. */
  readonly leftOut: string | undefined;
}

/**
 * A row as training sees it. Tokens past the limit are shown too, as not learned. Throws as `encodeSftRow`.
 */
export function renderRow(row: Example, tools: SftTools, options: SftOptions): RenderedRow {
  const limit = options.maxSeqLength;
  const result = encodeSftRow(row, tools, options);
  const uncut = encodeSftRow(row, tools, { ...options, packing: true });
  if ("reason" in uncut) {
    return { pieces: [], tokens: 0, tokensUncut: 0, limit, leftOut: uncut.reason };
  }
  const { ids, learned } = uncut.example;
  const trained = Math.min(ids.length, limit);
  return {
    pieces: renderTokens(ids, (i) => learned[i] === 1 && i < trained && i > 0, tools.tokenizer),
    tokens: "reason" in result ? 0 : trained,
    tokensUncut: ids.length,
    limit,
    leftOut: "reason" in result ? result.reason : undefined,
  };
}

/** The text of each token. Bytes of one character that are spread over tokens make one piece. */
export function renderTokens(
  ids: ArrayLike<number>,
  isLearned: (index: number) => boolean,
  tokenizer: Tokenizer,
): RenderedPiece[] {
  const pieces: RenderedPiece[] = [];
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let waiting: number[] = [];
  let learned = false;
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i] ?? 0;
    const special = tokenizer.specialIds.has(id);
    waiting.push(id);
    learned ||= isLearned(i);
    const text = decoder.decode(tokenizer.tokenBytes(id), { stream: !special && i + 1 < ids.length });
    if (text === "" && i + 1 < ids.length) continue;
    pieces.push({ ids: waiting, text, learned, special });
    waiting = [];
    learned = false;
  }
  return pieces;
}
