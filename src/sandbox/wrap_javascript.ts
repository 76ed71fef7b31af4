import type { UserSource } from "../host/user_code.ts";
import { AppError } from "../lib/errors.ts";

/**
 * A person's JavaScript or TypeScript as the body of a function, so that it becomes part of a program's own text: where it
 * runs, nothing may be evaluated from a string.
 */
export interface WrappedCode {
  readonly text: string;
  /** Lines of `text` before the person's first. */
  readonly linesBefore: number;
}

/** Throws `user-code-invalid` for code that sucrase refuses, and for imports. */
export async function wrapJavaScript(source: UserSource): Promise<WrappedCode> {
  const code = await withoutTypes(source);
  const names = declaredNames(code);
  const declared = names.map((name) => `${name}: typeof ${name} === "undefined" ? undefined : ${name}`);
  const text = `async function (exports, module) {\n${code}\n;return { ${declared.join(", ")} };\n}`;
  return { text, linesBefore: 1 };
}

/** Takes types away and makes exports assignments; every line stays where it was. */
async function withoutTypes({ code: given, language, title }: UserSource): Promise<string> {
  refuseImports(given, title);
  const code = asScript(given);
  const isTyped = language === "typescript";
  if (!isTyped && !/^\s*export\b/m.test(code)) return code;
  const { transform } = await import("sucrase");
  try {
    const result = transform(code, {
      transforms: isTyped ? ["typescript", "imports"] : ["imports"],
      disableESTransforms: true,
      preserveDynamicImport: true,
    });
    return result.code;
  } catch (cause) {
    const { message, loc } = cause as Error & { loc?: { line?: number } };
    const reason = message.replace(/^Error transforming [^:]*: /, "").replace(/ \(\d+:\d+\)$/, "");
    throw invalidCode(title, reason, loc?.line);
  }
}

export function invalidCode(title: string, reason: string, line: number | undefined): AppError {
  const where = line === undefined ? title : `${title}, line ${line}`;
  return new AppError("user-code-invalid", `${where}: ${reason}`, {
    details: { title, ...(line === undefined ? {} : { line }) },
  });
}

function refuseImports(code: string, title: string): void {
  const found = /^[ \t]*(?:import\s+(?!type\b)[\w${*"']|export\s[^\n;]*\bfrom\s*["'])/m.exec(code);
  if (!found) return;
  const line = code.slice(0, found.index).split("\n").length;
  throw invalidCode(title, "Code runs on its own and cannot import. Paste what it needs into it.", line);
}

/** Code that is one function without a name, such as `(row) => ...`, is what it exports. */
function asScript(code: string): string {
  const [blank = ""] = /^(?:\s|\/\/[^\n]*\n|\/\*[\s\S]*?\*\/)*/.exec(code) ?? [];
  const rest = code.slice(blank.length);
  const isAnonymous = /^(?:async\s*)?(?:\(|function\s*\*?\s*\(|[\w$]+\s*=>)/.test(rest);
  return isAnonymous ? `${blank}exports.default = ${rest}` : code;
}

const NAME = "([\\p{ID_Start}$_][\\p{ID_Continue}$]*)";
const DECLARATION = new RegExp(`\\bfunction\\s*\\*?\\s*${NAME}|\\b(?:const|let|var)\\s+${NAME}\\s*=`, "gu");

/** Words that are no names: a comment may hold "the function in question". */
const RESERVED = new Set(
  `arguments async await break case catch class const continue debugger default delete do else enum eval export extends
  false finally for function if implements import in instanceof interface let new null package private protected public
  return static super switch this throw true try typeof undefined var void while with yield exports module`.split(
    /\s+/,
  ),
);

/** Every name that may be a function of the code, in order. Those that are not in scope at its end are undefined there. */
function declaredNames(code: string): readonly string[] {
  const names = [...code.matchAll(DECLARATION)].map(([, fn, variable]) => fn ?? variable ?? "");
  return [...new Set(names)].filter((name) => !RESERVED.has(name));
}
