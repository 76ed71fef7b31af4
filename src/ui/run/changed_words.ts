/** A piece of a text, and whether the other text has it. */
export interface Piece {
  readonly text: string;
  readonly changed: boolean;
}

const MOST_WORDS = 400;

/** Words are the same whatever stands after them: "corn." and "corn," are one word. */
const bare = (word: string | undefined): string => word?.replace(/[.,;:!?]+$/, "") || (word ?? "");
const same = (a: string | undefined, b: string | undefined): boolean => bare(a) === bare(b);

/** Length of the longest common subsequence of every pair of tails. */
function commonTails(a: readonly string[], b: readonly string[]): readonly Uint16Array[] {
  const table = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const [row, below] = [table[i], table[i + 1]];
      if (!row || !below) continue;
      row[j] = same(a[i], b[j]) ? (below[j + 1] ?? 0) + 1 : Math.max(below[j] ?? 0, row[j + 1] ?? 0);
    }
  }
  return table;
}

/** The words of `after`, each marked when `before` does not have it at that place in the order. */
export function changedWords(before: string, after: string): readonly Piece[] {
  const old = before.split(/\s+/).filter(Boolean).slice(0, MOST_WORDS);
  const parts = after.split(/(\s+)/).filter((part) => part !== "");
  const words = parts.filter((part) => part.trim() !== "").slice(0, MOST_WORDS);
  const table = commonTails(old, words);
  const kept = new Set<number>();
  for (let i = 0, j = 0; i < old.length && j < words.length; ) {
    if (same(old[i], words[j])) {
      kept.add(j);
      i++;
      j++;
    } else if ((table[i + 1]?.[j] ?? 0) >= (table[i]?.[j + 1] ?? 0)) i++;
    else j++;
  }
  let word = -1;
  const pieces = parts.map((text) => {
    if (text.trim() === "") return { text, changed: false };
    word++;
    return { text, changed: word < MOST_WORDS && !kept.has(word) };
  });
  return joined(pieces);
}

/** Neighbours of one kind as one piece; the space between two changed words belongs to them. */
function joined(pieces: readonly Piece[]): readonly Piece[] {
  const result: Piece[] = [];
  for (const [i, piece] of pieces.entries()) {
    const last = result.at(-1);
    const between = piece.text.trim() === "" && last?.changed === true && pieces[i + 1]?.changed === true;
    const changed = piece.changed || between;
    if (last?.changed === changed) result[result.length - 1] = { text: last.text + piece.text, changed };
    else result.push({ text: piece.text, changed });
  }
  return result;
}
