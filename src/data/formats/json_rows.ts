import { isRecord } from "../../formats/json.ts";
import type { Asset } from "../../host/host.ts";
import { AppError } from "../../lib/errors.ts";
import type { RowSink } from "../row_problem.ts";
import { readLines, readWhole } from "./text_lines.ts";

/** One JSON object a line; blank lines are passed over. */
export async function readJsonLines(asset: Asset, sink: RowSink): Promise<void> {
  for await (const { line, text } of readLines(asset)) {
    if (sink.full) return;
    if (text === undefined) {
      sink.problem({ line, kind: "encoding", message: `Line ${line} holds bytes that are no text.` });
    } else if (text.trim() !== "") addJsonLine(line, text, sink);
  }
}

/** One line of JSONL, which is not blank. */
export function addJsonLine(line: number, text: string, sink: RowSink): void {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    sink.problem({ line, kind: "syntax", message: `Line ${line} is no valid JSON: ${why}` });
    return;
  }
  addValue(line, `Line ${line}`, value, sink);
}

function addValue(line: number, where: string, value: unknown, sink: RowSink): void {
  if (isRecord(value)) sink.row(line, value);
  else
    sink.problem({ line, kind: "not-an-object", message: `${where} is ${describe(value)}, not an object.` });
}

function describe(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "a list" : `a ${typeof value}`;
}

/** Keys under which files keep their rows. */
const CONTAINERS = ["data", "rows", "train", "examples", "instances"];

/**
 * A list of objects, or an object that holds one under `data` (or rows, train, examples, instances). A file that is
 * one object a line under the name .json is read as JSONL. Throws `dataset-invalid` when the JSON is broken, because
 * then nothing says where the next row begins.
 */
export async function readJsonFile(asset: Asset, sink: RowSink): Promise<"json" | "jsonl"> {
  const { text } = await readWhole(asset);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    if (await firstLineIsObject(asset)) {
      await readJsonLines(asset, sink);
      return "jsonl";
    }
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new AppError(
      "dataset-invalid",
      `${asset.name} is no valid JSON: ${why}. Save it again, or as JSONL.`,
      {
        details: { file: asset.name },
        cause,
      },
    );
  }
  const rows = rowsOf(asset, value);
  rows.forEach((row, i) => {
    if (!sink.full) addValue(i + 1, `Row ${i + 1}`, row, sink);
  });
  return "json";
}

async function firstLineIsObject(asset: Asset): Promise<boolean> {
  for await (const { text } of readLines(asset)) {
    if (text === undefined || text.trim() === "") continue;
    try {
      return isRecord(JSON.parse(text));
    } catch {
      // Not one object a line; the caller reports what is wrong with the file as a whole.
      return false;
    }
  }
  return false;
}

function rowsOf(asset: Asset, value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  if (isRecord(value)) {
    for (const key of CONTAINERS) if (Array.isArray(value[key])) return value[key];
    // A file of a single row without a list around it.
    const keys = Object.keys(value);
    if (keys.length > 0 && keys.every((key) => !isRecord(value[key]))) return [value];
    throw new AppError(
      "dataset-invalid",
      `${asset.name} holds an object with ${keys.join(", ") || "no keys"} and no list of rows. Put the rows in a list, or under "data".`,
      { details: { file: asset.name, keys } },
    );
  }
  throw new AppError("dataset-invalid", `${asset.name} holds ${describe(value)}, not a list of rows.`, {
    details: { file: asset.name },
  });
}
