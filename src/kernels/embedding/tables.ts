export interface EmbeddingTables {
  /** Distinct ids, ascending. */
  readonly unique: Uint32Array<ArrayBuffer>;
  /** The tokens of unique[i] are order[starts[i]] to order[starts[i + 1] - 1]; one longer than `unique`. */
  readonly starts: Uint32Array<ArrayBuffer>;
  /** Token indices by id, ascending within an id. */
  readonly order: Uint32Array<ArrayBuffer>;
}

/** Sorts the tokens of a batch by id, for embedding_backward. */
export function embeddingTables(ids: Uint32Array): EmbeddingTables {
  // Array.prototype.sort is stable; the typed one promises it too, and the index breaks ties anyway.
  const order = Uint32Array.from(ids.keys()).sort((a, b) => (ids[a] ?? 0) - (ids[b] ?? 0) || a - b);
  const unique: number[] = [];
  const starts: number[] = [];
  order.forEach((token, at) => {
    const id = ids[token] ?? 0;
    if (unique.at(-1) === id) return;
    unique.push(id);
    starts.push(at);
  });
  return { unique: Uint32Array.from(unique), starts: Uint32Array.from([...starts, ids.length]), order };
}
