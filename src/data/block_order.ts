import { hash, Random } from "../lib/random.ts";

/** Blocks whose rows are in memory at once, and are shuffled together. */
export const WINDOW_BLOCKS = 16;

/** Distinguish the order of blocks, and of rows in a window, from every other use of the seed. */
const BLOCKS = 0x626c6f63;
const ROWS = 0x77696e64;

/** Some blocks of an epoch, which are next to each other in its order. */
export interface RowWindow {
  readonly blocks: readonly number[];
  /** Rows of the epoch that come before it, and with it. */
  readonly start: number;
  readonly end: number;
}

/**
 * The order of an epoch, block by block: the blocks are shuffled, sixteen of them are a window, and the rows of a window are
 * shuffled among themselves. Unlike a permutation of all rows, two rows that are far apart in the file only come close in the
 * order where their blocks fall into one window, and a row never leaves the window that its block fell into; rows that stand
 * close in the file are 8,192 rows apart at the most. A pure function of (seed, epoch) and the sizes of the blocks; it takes
 * four bytes a block. `sequential` is the order of the file.
 */
export function epochWindows(
  sizes: ArrayLike<number>,
  { strategy, seed }: { readonly strategy: "random" | "sequential"; readonly seed: number },
  epoch: number,
): readonly RowWindow[] {
  const order = Uint32Array.from({ length: sizes.length }, (_, block) => block);
  if (strategy === "random") new Random(seed, hash(BLOCKS, epoch)).shuffle(order);
  const windows: RowWindow[] = [];
  let start = 0;
  for (let first = 0; first < order.length; first += WINDOW_BLOCKS) {
    const blocks = Array.from(order.subarray(first, first + WINDOW_BLOCKS));
    const end = blocks.reduce((sum, block) => sum + (sizes[block] ?? 0), start);
    if (end > start) windows.push({ blocks, start, end });
    start = end;
  }
  return windows;
}

/** The order of `rows` rows of a window that begins at `start`, as places in it. */
export function windowOrder(
  { start, end }: Pick<RowWindow, "start" | "end">,
  { strategy, seed }: { readonly strategy: "random" | "sequential"; readonly seed: number },
  epoch: number,
): Uint32Array {
  const order = Uint32Array.from({ length: end - start }, (_, place) => place);
  if (strategy === "random") new Random(seed, hash(ROWS, epoch, start)).shuffle(order);
  return order;
}

/** The window that holds a position of the epoch. */
export function windowAt(windows: readonly RowWindow[], position: number): RowWindow | undefined {
  return windows.find(({ start, end }) => start <= position && position < end);
}
