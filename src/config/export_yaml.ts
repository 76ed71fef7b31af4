import { type Algorithm, usesRewards } from "./algorithm.ts";
import { defaultOf, fieldsOf } from "./fields.ts";
import type { RewardSpec } from "./rewards.ts";

export interface ExportOptions {
  /** flat is ours; nested is the form of AlignTune's command line. */
  readonly shape?: "flat" | "nested";
  /** A comment above the first line. */
  readonly title?: string;
  /** Leave out settings that have their default. */
  readonly onlyChanged?: boolean;
}

/** Words that YAML 1.1 or 1.2 reads as something else than a text. */
const RESERVED = /^(|~|null|true|false|yes|no|on|off|y|n|[-+]?\.(inf|nan)|=|<<|\.+)$/i;
/** Texts that look like numbers, dates or times to YAML 1.1 or 1.2. */
const NUMERIC = /^[-+.]?[\d][\d_,.:eExXobOB+\-a-fA-F\sTtZz]*$/;
const PLAIN = /^[A-Za-z_./][\w./@+-]*( [\w./@+()-]+)*$/;

/** A text as PyYAML and YAML 1.2 both read it: bare only when it can be nothing else. */
export function yamlText(text: string): string {
  const bare = PLAIN.test(text) && !RESERVED.test(text) && !NUMERIC.test(text);
  return bare ? text : JSON.stringify(text).replace(/[\u007f-\uffff]/g, escapeCode);
}

/** YAML has the escapes of JSON; printable characters stay, others are written by their code. */
function escapeCode(character: string): string {
  const code = character.charCodeAt(0);
  const printable = code >= 0xa0 && code !== 0x2028 && code !== 0x2029 && code !== 0xfeff && code < 0xfffe;
  return printable ? character : `\\u${code.toString(16).padStart(4, "0")}`;
}

/**
 * A number as PyYAML reads it with the same type. YAML 1.1 wants a point in the mantissa and a sign in the exponent:
 * `1e-7` is a text there, `1.0e-07` a number.
 */
export function yamlNumber(value: number, isFloat: boolean): string {
  if (Number.isNaN(value)) return ".nan";
  if (!Number.isFinite(value)) return value > 0 ? ".inf" : "-.inf";
  const shortest = String(Object.is(value, -0) ? "-0" : value);
  const [mantissa = "", exponent] = shortest.split("e");
  if (exponent !== undefined) {
    const sign = exponent.startsWith("-") ? "-" : "+";
    const digits = exponent.replace(/^[-+]/, "").padStart(2, "0");
    return `${mantissa.includes(".") ? mantissa : `${mantissa}.0`}e${sign}${digits}`;
  }
  return isFloat && !mantissa.includes(".") ? `${mantissa}.0` : mantissa;
}

const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isEmpty = (value: unknown): boolean =>
  (Array.isArray(value) && value.length === 0) || (isMapping(value) && Object.keys(value).length === 0);

function scalar(value: unknown, isFloat: boolean): string {
  if (value === null || value === undefined) return "null";
  if (typeof value === "boolean") return value ? "true" : "false";
  if (typeof value === "number") return yamlNumber(value, isFloat || !Number.isInteger(value));
  if (Array.isArray(value)) return "[]";
  return typeof value === "object" ? "{}" : yamlText(String(value));
}

const canBeBlock = (value: unknown): value is string =>
  typeof value === "string" &&
  /^\S[^\r]*\n[^\r]*\S$/.test(value) &&
  /^[\n\t\x20-\x7e]*$/.test(value) &&
  !/\t|\n\n? *$/.test(value);

/** Lines of `key: value`, indented. */
function entry(key: string, value: unknown, indent: string, isFloat = false): string[] {
  const name = yamlText(key);
  if (isEmpty(value) || (!Array.isArray(value) && !isMapping(value))) {
    if (canBeBlock(value))
      return [`${indent}${name}: |-`, ...value.split("\n").map((line) => (line ? `${indent}  ${line}` : ""))];
    return [`${indent}${name}: ${scalar(value, isFloat)}`];
  }
  const inner = `${indent}  `;
  const lines = Array.isArray(value)
    ? value.flatMap((item) => listItem(item, inner, isFloat))
    : Object.entries(value).flatMap(([other, item]) => entry(other, item, inner));
  return [`${indent}${name}:`, ...lines];
}

function listItem(item: unknown, indent: string, isFloat: boolean): string[] {
  if (isMapping(item) && !isEmpty(item)) {
    const lines = Object.entries(item).flatMap(([key, value]) =>
      entry(key, value, `${indent}  `, key === "weight"),
    );
    return lines.map((line, i) => (i === 0 ? `${indent}- ${line.slice(indent.length + 2)}` : line));
  }
  if (Array.isArray(item) && item.length > 0) return [`${indent}- ${JSON.stringify(item)}`];
  return [`${indent}- ${scalar(item, isFloat)}`];
}

/** A reward without what is empty; functions of a running program cannot be written. */
function writableReward(reward: RewardSpec): Record<string, unknown> {
  const { type, weight, params, name, code, ...rest } = reward;
  const others = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  return {
    type,
    weight,
    ...(name === undefined ? {} : { name }),
    ...(isEmpty(params) ? {} : { params }),
    ...(typeof code === "string" ? { code } : {}),
    ...others,
  };
}

function writable(key: string, value: unknown): unknown {
  if (key === "rewards" && Array.isArray(value))
    return value.map((reward: RewardSpec) => writableReward(reward));
  return Array.isArray(value) && key === "loss_type" && value.length === 1 ? value[0] : value;
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

interface Row {
  readonly key: string;
  readonly value: unknown;
  readonly isFloat: boolean;
}

const NEVER_LEFT_OUT = new Set(["algorithm", "backend", "model_name", "dataset_name"]);

function rowsOf(
  values: Readonly<Record<string, unknown>>,
  algorithm: Algorithm,
  options: ExportOptions,
): Row[] {
  return Object.entries(fieldsOf(algorithm)).flatMap(([key, field]) => {
    const value = values[key];
    if (value === undefined || value === null || typeof value === "function") return [];
    const isDefault = same(value, defaultOf(field, algorithm)) && !NEVER_LEFT_OUT.has(key);
    if ((options.onlyChanged && isDefault) || (key === "reward_weights" && usesRewards(algorithm))) return [];
    const isFloat = field.control.kind === "number" || field.control.kind === "numbers";
    return [{ key, value: writable(key, value), isFloat }];
  });
}

/** Our keys under AlignTune's section and name. Anything else is a setting of `train` under its own name. */
const NESTED: Readonly<Record<string, readonly [string, string]>> = {
  algorithm: ["", "algo"],
  backend: ["", "backend"],
  rewards: ["", "rewards"],
  model_name: ["model", "name_or_path"],
  max_seq_length: ["model", "max_seq_length"],
  peft_enabled: ["model", "use_peft"],
  lora_rank: ["model", "lora_r"],
  target_modules: ["model", "lora_target_modules"],
  batch_size: ["train", "per_device_batch_size"],
  eval_batch_size: ["train", "per_device_eval_batch_size"],
  num_epochs: ["train", "epochs"],
  optim: ["train", "optimizer"],
  dataset_name: ["datasets", "name"],
  dataset_weight: ["datasets", "weight"],
  output_dir: ["logging", "output_dir"],
  run_name: ["logging", "run_name"],
  sample_every: ["logging", "sample_every"],
  sample_prompts: ["logging", "sample_prompts"],
};
const SECTION_OF_GROUP: Readonly<Record<string, string>> = {
  model: "model",
  lora: "model",
  data: "datasets",
};

/** Further datasets follow the first one in its list. */
function moreDatasets(rows: readonly Row[]): string[] {
  const value = rows.find(({ key }) => key === "more_datasets")?.value;
  return Array.isArray(value) ? value.flatMap((item: unknown) => listItem(item, "  ", false)) : [];
}

function nestedLines(rows: readonly Row[], algorithm: Algorithm): string[] {
  const sections = new Map<string, Row[]>(
    ["", "model", "datasets", "train", "logging"].map((name) => [name, []]),
  );
  for (const row of rows) {
    if (row.key === "more_datasets") continue;
    const group = fieldsOf(algorithm)[row.key]?.group ?? "";
    const [section, key] = NESTED[row.key] ?? [SECTION_OF_GROUP[group] ?? "train", row.key];
    sections.get(section)?.push({ ...row, key });
  }
  return [...sections].flatMap(([section, inside]) => {
    const list = section === "datasets";
    const indent = section === "" ? "" : list ? "    " : "  ";
    const lines = inside.flatMap(({ key, value, isFloat }) => entry(key, value, indent, isFloat));
    if (section === "" || lines.length === 0) return lines;
    const more = list ? moreDatasets(rows) : [];
    return [
      `${section}:`,
      ...lines.map((line, i) => (list && i === 0 ? `  - ${line.slice(4)}` : line)),
      ...more,
    ];
  });
}

/**
 * A configuration as YAML. What it says loads in PyYAML with the same types and here with the same values. Functions that a
 * program passed in are left out; `unwritable` names them.
 */
export function exportYaml(
  values: Readonly<Record<string, unknown>> & { readonly algorithm: Algorithm },
  options: ExportOptions = {},
): string {
  const rows = rowsOf(values, values.algorithm, options);
  const title = (options.title ?? "").split("\n").filter(Boolean);
  const lines =
    options.shape === "nested"
      ? nestedLines(rows, values.algorithm)
      : rows.flatMap(({ key, value, isFloat }) => entry(key, value, "", isFloat));
  return `${[...title.map((line) => `# ${line}`), ...lines].join("\n")}\n`;
}

/** Settings of a run that cannot be written to a file, because a program gave them as functions. */
export function unwritable(values: Readonly<Record<string, unknown>>): readonly string[] {
  const keys = Object.keys(values).filter((key) => typeof values[key] === "function");
  const { rewards } = values;
  const given = Array.isArray(rewards) ? rewards : [];
  const own = given.flatMap(({ code }: RewardSpec, i) =>
    typeof code === "function" ? [`rewards.${i}.code`] : [],
  );
  return [...keys, ...own];
}
