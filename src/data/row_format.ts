import type { ExampleBody } from "./example.ts";
import type { Row } from "./message.ts";

export type RowPurpose = "sft" | "preference" | "prompt";

export interface ReadOptions {
  readonly purpose: RowPurpose;
  readonly systemPrompt?: string;
  readonly hasTemplate: boolean;
}

/** What is known of a file when its format is sought. */
export interface RowSample {
  readonly columns: readonly string[];
  /** The first rows, columns renamed. */
  readonly rows: readonly Row[];
  readonly purpose: RowPurpose;
  /** What the dataset is called. */
  readonly name: string;
}

export interface RowFormat {
  readonly id: string;
  readonly label: string;
  readonly purposes: readonly RowPurpose[];
  /** The columns in words, for messages. */
  readonly needs: string;
  /** The form of one well-known dataset: nothing to ask of a file. */
  readonly special?: true;
  /** Names with a meaning to this format: no other column is read of a row, those of rewards aside. */
  readonly columns: readonly string[];
  fits(sample: RowSample): boolean;
  /** Throws RowRefusal. */
  read(row: Row, options: ReadOptions): ExampleBody;
  /** Columns that rewards get beside those of the row, where a dataset has them in another form. */
  added?(row: Row): Row;
}

export function has(columns: readonly string[], ...names: readonly string[]): boolean {
  return names.every((name) => columns.includes(name));
}

export function columnNamed(columns: readonly string[], names: readonly string[]): string | undefined {
  return names.find((name) => columns.includes(name));
}
