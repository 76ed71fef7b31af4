import { isRewardId, rewardEntry, rewardNamed } from "./reward_catalog.ts";
import { splitReference } from "./reward_source.ts";
import { REWARD_KEYS } from "./rewards.ts";

type Raw = Readonly<Record<string, unknown>>;

const FLAGS: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  on: true,
  false: false,
  no: false,
  off: false,
};
const LANGUAGES: Readonly<Record<string, string>> = {
  js: "javascript",
  mjs: "javascript",
  ts: "typescript",
  py: "python",
};
/** Settings of AlignTune's rewards without a counterpart; the review lists them as not used. */
export const REWARD_EXTRAS: Readonly<Record<string, string>> = {
  shield: "It has no effect in AlignTune either.",
  model_name: "The built-in rewards use no model.",
};

/** `type[:weight=W][:name=value...]`, the short form of a reward on a command line. */
function readShort(text: string): Raw {
  const [type = "", ...rest] = text.split(":").map((part) => part.trim());
  const pairs = rest.map((part): [string, unknown] => {
    const at = part.indexOf("=");
    if (at < 0) return [part, true];
    const word = part.slice(at + 1).trim();
    const number = word === "" ? Number.NaN : Number(word);
    const flag = word === "true" ? true : word === "false" ? false : word;
    return [part.slice(0, at).trim(), Number.isNaN(number) ? flag : number];
  });
  const { weight, clip, normalize, name, ...params } = Object.fromEntries(pairs);
  return { type, weight, clip, normalize, name, params };
}

const toNumber = (value: unknown): unknown =>
  typeof value === "string" && value.trim() !== "" && !Number.isNaN(Number(value)) ? Number(value) : value;

const isAbsent = (value: unknown): value is null | undefined => value === undefined || value === null;

/** One number c is from -c to c, as in AlignTune; two are the bounds, and an empty one is open. */
function readClip(raw: unknown): unknown {
  const value = toNumber(raw);
  if (typeof value === "number" && value >= 0) return [-value, value];
  return Array.isArray(value)
    ? value.map((bound: unknown) => (isAbsent(bound) ? null : toNumber(bound)))
    : value;
}

const readFlag = (raw: unknown): unknown =>
  typeof raw === "string" ? (FLAGS[raw.trim().toLowerCase()] ?? raw) : raw;

/** What a custom reward is made of: a file's function, source text, or a function of the program. */
function readBody(body: unknown, file?: unknown): Raw {
  if (isAbsent(body)) return {};
  if (!isAbsent(file) && typeof body === "string" && /^\s*[\w$]+\s*$/.test(body))
    return { function: body.trim() };
  const reference = typeof body === "string" ? splitReference(body) : undefined;
  if (reference === undefined) return { code: body };
  const { function: name } = reference;
  return { file: reference.file, ...(name === undefined ? {} : { function: name }) };
}

/** A parameter beside `params` instead of in it is a slip that leaves no doubt. */
function gatherParams(type: unknown, rest: Raw): { readonly loose: Raw; readonly others: Raw } {
  const id = typeof type === "string" ? rewardNamed(type) : undefined;
  const entry = id === undefined ? undefined : rewardEntry(id);
  const isParam = (key: string): boolean =>
    entry !== undefined &&
    !REWARD_KEYS.includes(key) &&
    Object.hasOwn({ ...entry.params, ...entry.spellings }, key);
  const entries = Object.entries(rest).filter(([key]) => !Object.hasOwn(REWARD_EXTRAS, key));
  return {
    loose: Object.fromEntries(entries.filter(([key]) => isParam(key))),
    others: Object.fromEntries(entries.filter(([key]) => !isParam(key))),
  };
}

/** Parameters under their own names; a spelling of a parameter that is also there by its own name stays, to be refused. */
function ownNames(type: string, params: Raw): Raw {
  if (!isRewardId(type)) return params;
  const { params: fields, spellings = {} } = rewardEntry(type);
  return Object.fromEntries(
    Object.entries(params).map(([key, value]) => {
      const own = Object.hasOwn(spellings, key) && !Object.hasOwn(fields, key) ? spellings[key] : undefined;
      return [own === undefined || Object.hasOwn(params, own) ? key : own, value];
    }),
  );
}

const nameOf = (fn: unknown): { name?: string } =>
  typeof fn === "function" && fn.name !== "" ? { name: fn.name } : {};

const given = (key: string, value: unknown): Raw => (isAbsent(value) ? {} : { [key]: value });

function readLanguage(language: unknown): unknown {
  if (typeof language !== "string") return language;
  const word = language.trim().toLowerCase();
  return LANGUAGES[word] ?? word;
}

function readText(text: string): unknown {
  const { type, ...rest } = splitReference(text) === undefined ? readShort(text) : { type: text };
  const isFile = typeof type === "string" && splitReference(type) !== undefined;
  return readReward(isFile ? { ...rest, type: "custom", code: type } : { ...rest, type });
}

/**
 * The body of a reward, which other trainers keep under several names. Beside a file or a body, `function` is the name of
 * the function to call; alone it is the body.
 */
function findBody(raw: Raw, params: Raw): { readonly body: unknown; readonly named: Raw } {
  const { code, source, reward_function, function: fn, file } = raw;
  const body = [code, source, reward_function, params["reward_function"], params["code"]].find(
    (value) => !isAbsent(value),
  );
  const isName = typeof fn === "string" && (!isAbsent(file) || body !== undefined);
  return isName ? { body, named: { function: fn } } : { body: body ?? fn, named: {} };
}

const BODY_KEYS = new Set(["code", "source", "reward_function", "function"]);
const without = (raw: Raw, keys: ReadonlySet<string>): Raw =>
  Object.fromEntries(Object.entries(raw).filter(([key]) => !keys.has(key)));

function readMapping(raw: Raw, params: Raw): Raw {
  const { body, named } = findBody(raw, params);
  const hasBody = !isAbsent(body) || !isAbsent(raw["file"]);
  const { type, name, weight, params: _, clip, normalize, language, file, ...rest } = without(raw, BODY_KEYS);
  const kind = type ?? (hasBody ? "custom" : name);
  const own = typeof kind === "string" ? (rewardNamed(kind) ?? kind) : kind;
  const { loose, others } = gatherParams(kind, rest);
  const title = isAbsent(type) && !hasBody ? undefined : name;
  const all = { ...loose, ...without(params, new Set(["reward_function", "code"])) };
  return {
    ...others,
    type: own,
    weight: isAbsent(weight) ? 1 : toNumber(weight),
    params: typeof own === "string" ? ownNames(own, all) : all,
    ...(isAbsent(title) ? nameOf(body) : { name: title }),
    ...readBody(body, file),
    ...given("file", file),
    ...named,
    ...given("language", readLanguage(language)),
    ...given("normalize", readFlag(normalize)),
    ...given("clip", readClip(clip)),
  };
}

const isMapping = (value: unknown): value is Raw =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A reward in any of its spellings, in our form; what is not understood is left for the check to refuse. */
export function readReward(raw: unknown): unknown {
  if (typeof raw === "function") return { type: "custom", weight: 1, params: {}, code: raw, ...nameOf(raw) };
  if (typeof raw === "string") return readText(raw);
  if (!isMapping(raw)) return raw;
  const params = raw["params"] ?? {};
  return isMapping(params) ? readMapping(raw, params) : raw;
}
