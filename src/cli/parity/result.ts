import type { Comparison } from "./compare.ts";
import { type GoldenCase, integers, type UnpaddedRow, unpad } from "./golden_case.ts";

/** What the engine gives for a case: by the names of the collection. */
export interface CaseResult {
  readonly scalars: Readonly<Record<string, number>>;
  readonly tensors: ReadonlyMap<string, Float32Array>;
}

export async function compareWithCase(
  comparison: Comparison,
  { scalars, tensors }: CaseResult,
  golden: GoldenCase,
): Promise<void> {
  for (const [name, expected] of Object.entries(golden.scalars)) {
    comparison.scalar(name, scalars[name], expected);
  }
  await comparison.tensors(golden.expected, (name) => tensors.get(name));
}

export function compareResults(comparison: Comparison, actual: CaseResult, expected: CaseResult): void {
  for (const [name, value] of Object.entries(expected.scalars)) {
    comparison.scalar(name, actual.scalars[name], value);
  }
  for (const [name, values] of expected.tensors) comparison.tensor(name, actual.tensors.get(name), values);
}

/** Prompts padded left and completions padded right, put together; `targets` are the places of the completion's tokens. */
export interface JoinedRow {
  readonly ids: readonly number[];
  readonly targets: readonly number[];
  /** Columns of the completion tensors that the targets came from. */
  readonly columns: readonly number[];
}

/** Prompts and completions of a case, and the width of its completion tensors. */
export async function readRollout(golden: GoldenCase): Promise<{ joined: JoinedRow[]; width: number }> {
  const read = (name: string) => integers(golden.inputs, name);
  const completionIds = await read("completion_ids");
  const joined = joinRows(
    unpad(await read("prompt_ids"), await read("prompt_mask")),
    unpad(completionIds, await read("completion_mask")),
  );
  return { joined, width: completionIds.shape.at(-1) ?? 0 };
}

function joinRows(prompts: readonly UnpaddedRow[], completions: readonly UnpaddedRow[]): JoinedRow[] {
  return prompts.map((prompt, i) => {
    const { ids = new Int32Array(), columns = new Int32Array() } = completions[i] ?? {};
    const targets = Array.from(ids, (_, t) => prompt.ids.length + t).filter((t) => t > 0);
    const skipped = ids.length - targets.length;
    return { ids: [...prompt.ids, ...ids], targets, columns: [...columns].slice(skipped) };
  });
}

/** Values of a (N, C) tensor at the targets of a row. */
export function pick(data: Float32Array, width: number, row: number, { columns }: JoinedRow): number[] {
  return columns.map((column) => data[row * width + column] ?? Number.NaN);
}

/** Values of the targets as (N, C), zero elsewhere. */
export function spread(
  values: readonly ArrayLike<number>[],
  rows: readonly JoinedRow[],
  width: number,
): Float32Array {
  const all = new Float32Array(rows.length * width);
  rows.forEach(({ columns }, row) => {
    columns.forEach((column, i) => {
      all[row * width + column] = values[row]?.[i] ?? Number.NaN;
    });
  });
  return all;
}

export async function floats(golden: GoldenCase, name: string): Promise<Float32Array> {
  const source = golden.inputs.get(name);
  if (!source) throw new Error(`the case has no input ${name}`);
  return source.floats();
}

export function param<T>(golden: GoldenCase, name: string): T {
  const value = golden.params[name];
  if (value === undefined) throw new Error(`params.${name} is missing`);
  return value as T;
}

export function optional<T>(golden: GoldenCase, name: string, otherwise: T): T {
  const value = golden.params[name];
  return value === undefined || value === null ? otherwise : (value as T);
}
