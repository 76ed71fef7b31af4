/**
 * The tile table of packed rows, (T, 4) u32 {begin, end, rowStart, rowEnd}: each row is cut into tiles of at most `tile`
 * tokens from its own start, so that a row's tiles do not depend on what is packed before it. `rowLengths` in tokens, in
 * packing order.
 */
export function attentionTiles(rowLengths: readonly number[], tile: number): Uint32Array<ArrayBuffer> {
  const table: number[] = [];
  let rowStart = 0;
  for (const length of rowLengths) {
    const rowEnd = rowStart + length;
    for (let begin = rowStart; begin < rowEnd; begin += tile) {
      table.push(begin, Math.min(begin + tile, rowEnd), rowStart, rowEnd);
    }
    rowStart = rowEnd;
  }
  return Uint32Array.from(table);
}

/** The most tiles that `tokens` tokens in at most `rows` rows can need: the capacity of the table. */
export function maxAttentionTiles(tokens: number, rows: number, tile: number): number {
  return Math.floor(tokens / tile) + Math.min(rows, tokens);
}
