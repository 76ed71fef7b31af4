import { type PackingStrategy, packDocuments } from "./packing.ts";
import type { SftExample } from "./sft_examples.ts";

/** What one row of a batch holds: sequences one after the other on one token axis, each seeing only itself. */
export interface TrainingRow {
  readonly ids: Uint32Array;
  /** 1 where the token is a target; never the first token of a sequence. */
  readonly learned: Uint8Array;
  /** Tokens of each sequence; they add up to the row. */
  readonly lengths: readonly number[];
  /** Rows of the file that are in it. */
  readonly rowIndices: readonly number[];
}

/** One sequence a row. */
export function unpackedRows(examples: readonly SftExample[]): TrainingRow[] {
  return examples.map(({ ids, learned, rowIndex }) => ({
    ids,
    learned: withoutFirst(learned),
    lengths: [ids.length],
    rowIndices: [rowIndex],
  }));
}

/** Packed rows and how many documents lost tokens. Throws `config-invalid`. */
export function packedRows(
  examples: readonly SftExample[],
  maxSeqLength: number,
  strategy: PackingStrategy,
): { rows: TrainingRow[]; cutDocuments: number } {
  const lengths = examples.map(({ ids }) => ids.length);
  const { rows, cutDocuments } = packDocuments(lengths, maxSeqLength, strategy);
  return {
    cutDocuments,
    rows: rows.map((row) => {
      const ids = new Uint32Array(row.length);
      const learned = new Uint8Array(row.length);
      const rowIndices = new Set<number>();
      let at = 0;
      for (const sequence of row.sequences) {
        const first = at;
        for (const { document, start, end } of sequence) {
          const example = examples[document];
          if (!example) continue;
          ids.set(example.ids.subarray(start, end), at);
          learned.set(example.learned.subarray(start, end), at);
          rowIndices.add(example.rowIndex);
          at += end - start;
        }
        learned[first] = 0;
      }
      return {
        ids,
        learned,
        lengths: row.sequences.map((sequence) =>
          sequence.reduce((sum, { start, end }) => sum + end - start, 0),
        ),
        rowIndices: [...rowIndices],
      };
    }),
  };
}

function withoutFirst(learned: Uint8Array): Uint8Array {
  const copy = learned.slice();
  if (copy.length > 0) copy[0] = 0;
  return copy;
}
