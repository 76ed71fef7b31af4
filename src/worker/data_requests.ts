import { lengthOf, limitOf } from "../api/row_lengths.ts";
import type { RunConfig } from "../config/fields.ts";
import type { Example } from "../data/example.ts";
import { openModelFolder } from "../formats/model_folder.ts";
import type { Host } from "../host/host.ts";
import { AppError } from "../lib/errors.ts";
import type { DataPreview, RenderedRowData } from "../protocol/setup.ts";
import { type Dataset, loadDataset } from "../trainer/load_dataset.ts";
import { loadTextTools, type TextTools } from "../trainer/prepare_data.ts";
import { questionOf, textsOf } from "./row_texts.ts";

const PREVIEW_ROWS = 50;
const BINS = 24;
/** Rows whose tokens are counted for the histogram; more would make the preview slow. */
const MEASURED = 2000;

/** Where models and data are read from. */
type Files = Pick<Host, "openModel" | "openDataset" | "readText" | "userCode" | "log">;

async function open(host: Files, config: RunConfig): Promise<{ dataset: Dataset; tools: TextTools }> {
  const model = await openModelFolder(await host.openModel(config.model_name, config.model_revision));
  const tools = await loadTextTools(model.folder, config);
  return { tools, dataset: await loadDataset(host, config, tools.template !== undefined, true) };
}

/** Columns, roles, problems and lengths of the dataset that a configuration names. Throws `dataset-invalid`, `file-*`. */
export async function previewData(host: Files, config: RunConfig): Promise<DataPreview> {
  const { dataset, tools } = await open(host, config);
  const { file, set } = dataset;
  const examples = [...dataset.train, ...dataset.validation, ...dataset.test];
  return {
    name: file.name,
    rowCount: dataset.rowCount,
    lookedAt: dataset.stream ? file.rows.length + file.problemTotal : dataset.rowCount,
    columns: file.columns,
    roles: rolesOf(file.columns, set.mapping.roles),
    format: set.format.label,
    mappingDirection: config.column_mapping ? set.mapping.direction : null,
    rows: file.rows.slice(0, PREVIEW_ROWS).map((row) => file.columns.map((column) => cell(row[column]))),
    problems: set.problems.map(({ line, kind, message }) => ({ line, kind, message })),
    problemTotal: set.problemTotal,
    notes: dataset.notes,
    splits: dataset.counts,
    sources: dataset.sources ?? [],
    lengths: measure(examples.slice(0, MEASURED), tools, config),
  };
}

/** The role of each column: what the mapping says, else its own name. */
function rolesOf(columns: readonly string[], roles: ReadonlyMap<string, string>): Record<string, string> {
  const given = new Map([...roles].map(([role, column]) => [column, role]));
  return Object.fromEntries(columns.map((column) => [column, given.get(column) ?? column]));
}

function cell(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function measure(examples: readonly Example[], tools: TextTools, config: RunConfig): DataPreview["lengths"] {
  const lengths = examples.flatMap((example) => lengthOf(example, tools, config) ?? []);
  const max = Math.max(1, ...lengths);
  const bins = Array.from({ length: BINS }, () => 0);
  for (const length of lengths) {
    const bin = Math.min(BINS - 1, Math.floor((length / max) * BINS));
    bins[bin] = (bins[bin] ?? 0) + 1;
  }
  const limit = limitOf(config);
  return { bins, max, limit, cut: lengths.filter((length) => length > limit).length };
}

/**
 * One row as training sees it, counted among those that can be used, or, with `ofDataset`, among all. Throws `dataset-invalid`
 * when there is no such row.
 */
export async function renderDataRow(
  host: Files,
  config: RunConfig,
  wanted: number,
  ofDataset = false,
): Promise<RenderedRowData> {
  const { dataset, tools } = await open(host, config);
  const { train, validation, test, stream } = dataset;
  const examples = stream
    ? train
    : [...train, ...validation, ...test].sort((a, b) => a.rowIndex - b.rowIndex);
  // Rows of a split of their own are counted anew; those of training come first.
  const row = ofDataset ? examples.findIndex(({ rowIndex }) => rowIndex === wanted) : wanted;
  const example = examples[row];
  if (!example)
    throw new AppError(
      "dataset-invalid",
      `There are ${examples.length} rows${stream ? " at the beginning of the dataset, which is streamed and shown by its first rows" : ""}; row ${wanted + 1} is not among them.`,
    );
  return {
    ...{ row, rowCount: examples.length, ofFirst: stream !== undefined, limit: limitOf(config) },
    texts: textsOf(example, tools, config),
    question: questionOf(example),
    reference: example.kind === "prompt" ? example.reference : null,
  };
}
