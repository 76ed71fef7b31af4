import type { ChangedEntry } from "./settle.ts";

/** What was changed of a configuration, as a sentence: a setting that was read otherwise, or a line that was repaired. */
export function describeChange({ path, key, line, from, to, why }: ChangedEntry): string {
  const name = path || key;
  const show = (value: unknown): string =>
    typeof value === "function" ? `the function ${value.name}` : JSON.stringify(value);
  const what =
    name === ""
      ? `line ${line}: ${show(from)} was read as ${show(to)}`
      : `${name}: ${show(from)} was read as ${show(to)}`;
  return why === "" ? `${what}.` : `${what}. ${why}`;
}
