import type { FieldData } from "../../config/fields.ts";
import { formatRate } from "../format.ts";

/**
 * What is typed into a field and what it means. Text that is no value of the kind is passed on as it is: the check of the
 * settings then says what was expected.
 */

const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A value as it stands in its field. */
export function toText(value: unknown, control?: FieldData["control"]): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "number")
    return Math.abs(value) < 1e-3 || !Number.isInteger(value) ? numberText(value) : String(value);
  if (Array.isArray(value)) return value.map(String).join("\n");
  if (isMapping(value))
    return Object.entries(value)
      .map(([key, item]) => `${key}: ${control && "anyValue" in control ? anyText(item) : String(item)}`)
      .join("\n");
  return String(value);
}

const numberText = (value: number): string => {
  const short = formatRate(value);
  return Number(short) === value ? short : String(value);
};

/** Texts stand as they are, except those that would be read as something else. */
const anyText = (value: unknown): string =>
  typeof value === "string" && anyValueOf(value) === value ? value : JSON.stringify(value);

/** A number, true, null, a list: what JSON can say; anything else is a text. */
function anyValueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const linesOf = (text: string): readonly string[] =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);

function readMapping(text: string): Readonly<Record<string, string>> {
  const pairs = linesOf(text).map((line) => {
    const [key = "", ...rest] = line.split(":");
    return [key.trim(), rest.join(":").trim()] as const;
  });
  return Object.fromEntries(pairs);
}

/** What a text means for a field. `undefined` takes the setting back to its default. */
export function fromText(field: FieldData, text: string): unknown {
  const trimmed = text.trim();
  if (trimmed === "") return field.nullable ? null : undefined;
  switch (field.control.kind) {
    case "number":
    case "integer": {
      const value = Number(trimmed.replace(/,/g, ""));
      return Number.isFinite(value) ? value : trimmed;
    }
    case "numbers":
      return trimmed
        .split(/[\s,]+/)
        .filter(Boolean)
        .map((item) => (Number.isFinite(Number(item)) ? Number(item) : item));
    case "list": {
      const lines = linesOf(text);
      return field.control.single && lines.length === 1 ? lines[0] : lines;
    }
    case "mapping": {
      const pairs = readMapping(text);
      if (!field.control.anyValue) return pairs;
      return Object.fromEntries(Object.entries(pairs).map(([key, value]) => [key, anyValueOf(value)]));
    }
    default:
      return text;
  }
}
