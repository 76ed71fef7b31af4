import type { Asset, DatasetAsset } from "../host/host.ts";
import { AppError } from "../lib/errors.ts";
import { type Block, type Head, partBlocks } from "./file_blocks.ts";
import type { Row } from "./message.ts";
import type { RowProblem } from "./row_problem.ts";
import type { FileFormat } from "./rows.ts";

/** The rows of one block as they were read. */
export interface RowBlock {
  /** Undefined where a row cannot be read. */
  readonly rows: readonly (Row | undefined)[];
  /** The line of each row (row of a table), counted from 1, through all files. */
  readonly lines: readonly number[];
  /** Why rows cannot be read, by their place in the block. */
  readonly problems: ReadonlyMap<number, RowProblem>;
}

/**
 * A dataset, one file or several, of which only the place of every block of rows is held: about a hundred bytes for 512 rows.
 * Rows that cannot be read are counted as rows, because nothing but their beginning was looked at.
 */
export interface RowBlocks extends Head {
  readonly name: string;
  readonly rows: number;
  /** The first row of each block, and behind the last block the number of rows. */
  readonly firsts: readonly number[];
  read(block: number): Promise<RowBlock>;
}

export interface BlockOptions {
  /** By the name's ending unless given. */
  readonly format?: FileFormat;
  /** Counts the first rows only (max_samples). */
  readonly limit?: number;
}

/** Where the rows of files are was found out already: it takes reading them once. */
const found = new WeakMap<Asset, { readonly limit: number; readonly blocks: Promise<RowBlocks> }>();

/**
 * Finds the blocks of a dataset by reading it once from one end to the other, holding none of it; of Parquet only what the
 * file says of itself is read. Throws `dataset-invalid` for a JSON list, which has to be read as a whole, and for a file of
 * which nothing can be read.
 */
export function openBlocks(asset: DatasetAsset, options: BlockOptions = {}): Promise<RowBlocks> {
  const { limit = Number.POSITIVE_INFINITY } = options;
  const known = found.get(asset);
  if (known?.limit === limit) return known.blocks;
  const blocks = findBlocks(asset, { ...options, limit });
  found.set(asset, { limit, blocks });
  // What failed may go well the next time: a file that was locked, a connection.
  blocks.catch(() => found.delete(asset));
  return blocks;
}

async function findBlocks(
  asset: DatasetAsset,
  { format, limit }: BlockOptions & { readonly limit: number },
): Promise<RowBlocks> {
  const more = asset.more ?? [];
  const blocks: (Block & { readonly before: number; readonly where: string })[] = [];
  const firsts = [0];
  let head: Head | undefined;
  let before = 0;
  let rows = 0;
  for (const part of [asset, ...more]) {
    if (rows >= limit) break;
    const where = more.length === 0 ? "" : `${part.name}: `;
    const read = await partBlocks(part, format, limit - rows);
    head ??= read;
    for (const block of read.blocks) {
      blocks.push({ ...block, before, where });
      rows += block.rows;
      firsts.push(rows);
    }
    before += read.lastLine;
  }
  const name = more.length === 0 ? asset.name : `${asset.name} and ${more.length} more`;
  if (rows === 0 || !head)
    throw new AppError("dataset-invalid", `${name} holds no rows.`, { details: { file: asset.name } });
  const { format: found, encoding, delimiter } = head;
  return {
    ...{ name, format: found, encoding, delimiter, rows, firsts },
    async read(index) {
      const block = blocks[index];
      if (!block) return { rows: [], lines: [], problems: new Map() };
      return readBlock(block, block.before, block.where);
    },
  };
}

/** Every record in its place; one that turns out to say nothing at all is a row that is not there. */
async function readBlock(block: Block, before: number, where: string): Promise<RowBlock> {
  const rows: (Row | undefined)[] = [];
  const lines: number[] = [];
  const problems = new Map<number, RowProblem>();
  await block.read({
    get full() {
      return rows.length >= block.rows;
    },
    wanted: (count) => ({ from: 0, to: count }),
    pass: () => {},
    row(line, row) {
      rows.push(row);
      lines.push(before + line);
    },
    problem(problem) {
      const line = before + problem.line;
      problems.set(rows.length, { ...problem, line, message: where + problem.message });
      rows.push(undefined);
      lines.push(line);
    },
  });
  while (rows.length < block.rows) {
    rows.push(undefined);
    lines.push(lines.at(-1) ?? before + 1);
  }
  return { rows, lines, problems };
}
