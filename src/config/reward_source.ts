export type RewardLanguage = "javascript" | "typescript" | "python";

const BY_EXTENSION: Readonly<Record<string, RewardLanguage>> = {
  py: "python",
  js: "javascript",
  mjs: "javascript",
  ts: "typescript",
};

/** A function in a file of its own, as `rewards.py#short` names it. */
export interface FunctionReference {
  /** As it was written: relative to the configuration file, unless absolute. */
  readonly file: string;
  /** Absent: the file's only function, or its last. */
  readonly function?: string | undefined;
  readonly language: RewardLanguage;
}

/** The language that a file's name tells, or undefined for a kind of file that holds no functions. */
export const languageOfFile = (file: string): RewardLanguage | undefined =>
  BY_EXTENSION[/\.(\w+)$/.exec(file)?.[1]?.toLowerCase() ?? ""];

/** Splits `rewards.py#short` into the file and the function's name; undefined for anything else, source text included. */
export function splitReference(text: string): FunctionReference | undefined {
  const [, file = "", name] = /^([^\n\r#(){};=<>"'`]+\.\w+)(?:#([A-Za-z_$][\w$]*))?$/.exec(text.trim()) ?? [];
  const language = languageOfFile(file);
  if (language === undefined) return undefined;
  return { file, language, ...(name === undefined ? {} : { function: name }) };
}

const TYPED = /[(,]\s*\w+\??\s*:\s*(?:string|number|boolean|unknown|any|Record|Readonly|readonly)\b/;

/** The language of source text, from its first tell-tale; undefined when it has none. */
export function languageOfCode(code: string): RewardLanguage | undefined {
  if (/^\s*(?:async\s+)?def\s+\w+\s*\(|^\s*(?:\w+\s*=\s*)?lambda\b/m.test(code)) return "python";
  if (!/\bfunction\b|=>/.test(code)) return undefined;
  return TYPED.test(code) || /^\s*(?:export\s+)?(?:interface|type)\s+\w+/m.test(code)
    ? "typescript"
    : "javascript";
}
