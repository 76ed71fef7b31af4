import { mergeRows } from "../data/merge_rows.ts";
import { type ReadOptions, type RowFile, readRows } from "../data/rows.ts";
import { parseSplit, type SelectionOptions, type SplitPart, selectRows } from "../data/split_slice.ts";
import type { DatasetAsset, Host } from "../host/host.ts";

export interface SplitSource extends SelectionOptions {
  readonly name: string;
  /** Null is the dataset's default, or only, subset. */
  readonly subset: string | null;
  /** A split, with slices and sums, or several names, of which the first that there is counts. */
  readonly split: string | readonly string[];
  readonly columnsInUse?: ReadOptions["columnsInUse"];
}

export interface SplitRows {
  readonly file: RowFile;
  readonly part: DatasetAsset["part"];
}

/**
 * The rows of a split, cut as it says. A file without splits is one split under any name, so of a sum such as train+test only
 * the slices of the first name are read of it. Throws `file-missing`, `dataset-invalid`, `config-invalid`.
 */
export async function readSplit(host: Pick<Host, "openDataset">, source: SplitSource): Promise<SplitRows> {
  const { name, subset, split, percent, limit, columnsInUse } = source;
  const readPart = (asset: DatasetAsset, term: SplitPart, options: SelectionOptions): Promise<RowFile> =>
    readRows(asset, { selection: selectRows(term, options), ...(columnsInUse && { columnsInUse }) });
  const [first, ...others] = parseSplit(typeof split === "string" ? split : "train");
  if (first === undefined) throw new Error("a split has a term");
  const asset = await host.openDataset(name, {
    subset,
    split: typeof split === "string" ? first.split : split,
  });
  const terms = others.filter((term) => asset.part !== undefined || term.split === first.split);
  if (terms.length === 0) {
    return {
      file: await readPart(asset, first, { percent, limit }),
      part: asset.part,
    };
  }
  // Shares and limits count the rows of the whole sum, so each term is read up to the limit at most.
  const cut: SelectionOptions = { percent: null, limit: percent === null ? limit : null };
  const files: [RowFile, ...RowFile[]] = [await readPart(asset, first, cut)];
  for (const term of terms) {
    const next = await host.openDataset(name, { subset, split: term.split });
    files.push(await readPart(next, term, cut));
  }
  const whole = mergeRows(files.map((file) => file.name).join(" and "), files);
  const { from, to } = selectRows({ ...first, from: undefined, to: undefined }, { percent, limit }).range(
    whole.rows.length,
  );
  const file = { ...whole, rows: whole.rows.slice(from, to), lines: whole.lines.slice(from, to) };
  const splits = [...new Set([first, ...terms].map((term) => term.split))];
  return { file, part: asset.part && { ...asset.part, split: splits.join("+") } };
}
