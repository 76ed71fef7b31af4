import { ENTRY_KEYS, readDatasetEntry } from "./dataset_entries.ts";
import type { AnyField, Control } from "./field.ts";
import { readReward } from "./read_reward.ts";
import { splitReference } from "./reward_source.ts";
import { REWARD_KEYS } from "./rewards.ts";
import { nearest } from "./suggest.ts";

/** A raw value turned into a setting's value; `why` says what was changed on the way, when anything was. */
export type Reading =
  | { readonly ok: true; readonly value: unknown; readonly why?: string | undefined }
  /** Empty, and the setting cannot be: its default stands. */
  | { readonly ok: "absent" }
  | {
      readonly ok: false;
      readonly message: string;
      readonly suggestion?: string | undefined;
      readonly inner?: string;
    };

const NUMBER = /^[+-]?(\d[\d_]*(\.[\d_]*)?|\.\d+)(e[+-]?\d+)?$/i;
const EMPTY_WORDS = new Set(["auto", "none", "null", "~"]);
const FLAGS: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  on: true,
  y: true,
  "1": true,
  false: false,
  no: false,
  off: false,
  n: false,
  "0": false,
};

/** A value as a person would write it, short. */
export function show(value: unknown): string {
  if (typeof value === "function") return "a function";
  if (typeof value === "number") return String(value);
  const text = typeof value === "string" ? `"${value}"` : (JSON.stringify(value) ?? String(value));
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** What a control accepts, in words that follow "must be". */
export function wanted(control: Control): string {
  switch (control.kind) {
    case "number":
    case "integer": {
      const kind = control.kind === "integer" ? "a whole number" : "a number";
      const open = control.max >= 1e9;
      if (control.exclusive)
        return `${kind} above ${control.min}${open ? "" : ` and at most ${control.max}`}`;
      return open ? `${kind} of at least ${control.min}` : `${kind} from ${control.min} to ${control.max}`;
    }
    case "flag":
      return "true or false";
    case "choice":
      return `one of ${control.options.join(", ")}`;
    case "choices":
      return `one or a list of ${control.options.join(", ")}`;
    case "text":
      return "a text";
    case "list":
      return "a list of texts";
    case "numbers":
      return "a list of numbers";
    case "mapping":
      return control.anyValue
        ? "pairs of name and value"
        : "pairs of column and role, such as question: prompt";
    case "rewards":
      return "a list of rewards, each with type, weight and params";
    case "datasets":
      return `a list of datasets, each with ${Object.values(ENTRY_KEYS).join(", ")}`;
    case "code":
      return "the source of a function";
  }
}

interface Step {
  readonly value: unknown;
  readonly why?: string | undefined;
}

function toNumber(raw: unknown): Step {
  if (typeof raw !== "string" || !NUMBER.test(raw.trim())) return { value: raw };
  return { value: Number(raw.trim().replaceAll("_", "")), why: "A number was written as text." };
}

function toFlag(raw: unknown): Step {
  if (typeof raw === "boolean") return { value: raw };
  const word = FLAGS[String(raw).trim().toLowerCase()];
  return word === undefined ? { value: raw } : { value: word, why: "Another way to write true or false." };
}

function toOption(raw: unknown, options: readonly string[]): Step {
  if (typeof raw === "string" && options.includes(raw)) return { value: raw };
  if (raw === false && options.includes("no")) return { value: "no", why: "YAML reads a bare no as false." };
  if (typeof raw !== "string") return { value: raw };
  const plain = raw
    .trim()
    .toLowerCase()
    .replace(/[\s.-]+/g, "_");
  const option = options.find((name) => name.toLowerCase() === plain);
  return option === undefined ? { value: raw } : { value: option, why: "Another spelling of the same." };
}

function toOptions(raw: unknown, options: readonly string[], spellings: AnyField["spellings"]): Step {
  const many = Array.isArray(raw) ? raw : [raw];
  const steps = many.map((item) => toOption(respell(item, spellings).value, options));
  return { value: steps.map((step) => step.value), why: steps.find((step) => step.why)?.why };
}

function toList(raw: unknown, single: boolean): Step {
  if (Array.isArray(raw)) {
    if (single && raw.length === 1 && raw[0] === "all-linear") return { value: "all-linear" };
    return { value: raw.map((item) => (typeof item === "number" ? String(item) : item)) };
  }
  if (typeof raw !== "string") return { value: raw };
  const parts = raw.split(",").map((part) => part.trim());
  const plain = parts.every((part) => /^[\w.-]+$/.test(part));
  if (single && (parts.length === 1 || !plain)) return { value: raw };
  return { value: parts.length > 1 && plain ? parts : [raw], why: "One text was read as a list." };
}

function toMapping(raw: unknown): Step {
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) return { value: raw };
  const entries = Object.entries(raw).filter(([, name]) => name !== null && name !== undefined);
  return {
    value: Object.fromEntries(
      entries.map(([key, name]) => [key, typeof name === "number" ? String(name) : name]),
    ),
  };
}

function respell(raw: unknown, spellings: AnyField["spellings"]): Step {
  if (typeof raw === "object" || typeof raw === "function") return { value: raw };
  const word = String(raw).trim().toLowerCase();
  if (!Object.hasOwn(spellings, word)) return { value: raw };
  return { value: spellings[word], why: "Another spelling of the same." };
}

const manyOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [value]);

function convert(raw: unknown, field: AnyField): Step {
  const { control, spellings } = field;
  const said = respell(raw, spellings);
  const from = said.value;
  const step = ((): Step => {
    switch (control.kind) {
      case "number":
      case "integer":
        return toNumber(from);
      case "flag":
        return toFlag(from);
      case "choice":
        return toOption(from, control.options);
      case "choices":
        return toOptions(from, control.options, spellings);
      case "text":
        return typeof from === "number"
          ? { value: String(from), why: "A number was read as text." }
          : { value: from };
      case "list":
        return toList(from, control.single === true);
      case "numbers":
        return { value: manyOf(from).map((item) => toNumber(item).value) };
      case "mapping":
        return control.anyValue ? { value: from } : toMapping(from);
      case "rewards":
        return { value: manyOf(from).map(readReward) };
      case "datasets":
        return { value: manyOf(from).map(readDatasetEntry) };
      case "code":
        return { value: from };
    }
  })();
  return { value: step.value, why: step.why ?? said.why };
}

const isEmpty = (raw: unknown, field: AnyField): boolean => {
  if (raw === null || raw === undefined) return true;
  if (typeof raw !== "string") return false;
  const word = raw.trim().toLowerCase();
  if (word === "") return true;
  const free =
    field.control.kind === "text" || field.control.kind === "code" || field.control.kind === "list";
  const options = field.control.kind === "choice" ? field.control.options : [];
  return !free && field.nullable && EMPTY_WORDS.has(word) && !options.includes(word);
};

/** A bare name where source text belongs: a Python configuration refers to a function that a file cannot carry. */
const isBareName = (value: unknown): value is string =>
  typeof value === "string" && /^[\w.]+$/.test(value.trim());

/** Reads a raw value (from YAML, JSON, a form, or a program) as the value of a setting. */
export function readValue(key: string, field: AnyField, raw: unknown): Reading {
  if (isEmpty(raw, field)) {
    if (!field.nullable) return { ok: "absent" };
    return { ok: true, value: null, why: raw === null || raw === undefined ? undefined : "Left empty." };
  }
  const { value, why } = convert(raw, field);
  if (value === null && field.nullable) return { ok: true, value: null, why };
  if (field.control.kind === "code" && isBareName(value) && splitReference(value) === undefined) {
    return {
      ok: false,
      message: `${key} names the function ${value}, which a file cannot carry. Paste the function's code here, or name its file too: prep.py#${value}.`,
    };
  }
  const result = field.check.safeParse(value);
  if (result.success) return { ok: true, value: result.data, why };
  return refuse(key, field, raw, result.error.issues);
}

/** A key that no reward has: the check itself only says in which reward. */
function strangerInReward(raw: unknown): Reading | undefined {
  for (const [i, item] of (Array.isArray(raw) ? raw : [raw]).entries()) {
    const read = readReward(item);
    const keys = typeof read === "object" && read !== null ? Object.keys(read) : [];
    const key = keys.find((name) => !REWARD_KEYS.includes(name));
    if (key === undefined) continue;
    const message = `${key} is not part of a reward, which has ${REWARD_KEYS.join(", ")}. What a reward is set by goes under params.`;
    return { ok: false, message, suggestion: nearest(key, REWARD_KEYS), inner: `${i}.${key}` };
  }
  return undefined;
}

function refuse(
  key: string,
  field: AnyField,
  raw: unknown,
  issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[],
): Reading {
  const { control } = field;
  const stranger = control.kind === "rewards" ? strangerInReward(raw) : undefined;
  if (stranger) return stranger;
  const inner = issues[0]?.path.map(String).join(".") ?? "";
  const empty = field.nullable ? `, or empty (${field.empty?.replace(/\.$/, "").toLowerCase()})` : "";
  const options = control.kind === "choice" || control.kind === "choices" ? control.options : [];
  const wrong = Array.isArray(raw) ? raw.find((item) => !options.includes(String(item))) : raw;
  return {
    ok: false,
    message: `${key} must be ${wanted(control)}${empty}; here it is ${show(raw)}.`,
    suggestion: typeof wrong === "string" ? nearest(wrong, options) : undefined,
    ...(inner === "" ? {} : { inner }),
  };
}
