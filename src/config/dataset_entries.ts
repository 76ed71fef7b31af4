import * as z from "zod/mini";

/** A further dataset of a run: where its rows come from, and how many of them count. */
export interface DatasetEntry {
  /** As dataset_name. */
  readonly name: string;
  readonly config_name?: string | null | undefined;
  readonly split?: string | undefined;
  readonly column_mapping?: Readonly<Record<string, string>> | undefined;
  readonly max_samples?: number | null | undefined;
  readonly percent?: number | null | undefined;
  /** Share of its rows that is trained on: 0.5 is every second row, 2 is every row twice. */
  readonly weight?: number | undefined;
}

/** Settings that each dataset has for itself, by the name that the setting of the first one has. */
export const ENTRY_KEYS: Readonly<Record<string, keyof DatasetEntry>> = {
  dataset_name: "name",
  config_name: "config_name",
  split: "split",
  column_mapping: "column_mapping",
  max_samples: "max_samples",
  percent: "percent",
  dataset_weight: "weight",
};

export const datasetEntry: z.ZodMiniType<DatasetEntry> = z.strictObject({
  name: z.string().check(z.minLength(1)),
  config_name: z.optional(z.nullable(z.string().check(z.minLength(1)))),
  split: z.optional(z.string().check(z.minLength(1))),
  column_mapping: z.optional(z.record(z.string(), z.string().check(z.minLength(1)))),
  max_samples: z.optional(z.nullable(z.int().check(z.gte(1)))),
  percent: z.optional(z.nullable(z.number().check(z.gt(0), z.lte(100)))),
  weight: z.optional(z.number().check(z.gt(0), z.lte(100))),
}) as z.ZodMiniType<DatasetEntry>;

const number = (text: string): unknown => (Number.isFinite(Number(text)) ? Number(text) : text);

/** AlignTune's short form, `name:split#percent=10?map.question=prompt&map.answer=response`; other values stay as they are. */
export function readDatasetEntry(raw: unknown): unknown {
  if (typeof raw !== "string") return raw;
  const [head = "", query] = splitAt(raw.trim(), "?");
  const [place, amount] = splitAt(head, "#");
  const [, name = "", split] = /^(.+?)(?::([A-Za-z_][\w+[\]:%.-]*))?$/.exec(place) ?? [];
  const entry: Record<string, unknown> = { name, ...(split === undefined ? {} : { split }) };
  for (const [key, value] of new URLSearchParams((amount ?? "").replaceAll("#", "&"))) {
    entry[key === "max" ? "max_samples" : key] = number(value);
  }
  const mapping: Record<string, string> = {};
  for (const [key, value] of new URLSearchParams(query ?? "")) {
    if (key.startsWith("map.")) mapping[key.slice(4)] = value;
    else entry[key] = number(value);
  }
  return Object.keys(mapping).length > 0 ? { ...entry, column_mapping: mapping } : entry;
}

function splitAt(text: string, sign: string): [string, string | undefined] {
  const at = text.indexOf(sign);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
