import type { Scored, UserError } from "../host/user_code.ts";

const describe = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : String(error);
const failed = (kind: UserError["kind"], message: string): Scored => ({
  value: null,
  error: { kind, message },
});
export const threw = (error: unknown): Scored => failed("threw", describe(error));

function show(value: unknown): string {
  if (typeof value === "string") return `the text ${JSON.stringify(value.slice(0, 40))}`;
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return typeof value === "object" && value !== null ? "an object" : String(value);
}

/** A score as a function may return it: a finite number, true or false, or nothing where the reward does not apply. */
export function readScore(value: unknown): Scored {
  if (value === null || value === undefined) return { value: null };
  if (typeof value === "boolean") return { value: Number(value) };
  if (typeof value === "number" && Number.isFinite(value)) return { value };
  return failed("not-a-number", `returned ${show(value)} instead of a finite number`);
}

/** Scores that came from elsewhere; a list of another length says nothing about any of them. */
export function readScores(value: unknown, count: number): readonly Scored[] {
  if (Array.isArray(value) && value.length === count) return value.map(readScore);
  const message = `returned ${show(value)} instead of a list with one number for each of the ${count} completions`;
  return Array.from({ length: count }, () => failed("wrong-shape", message));
}
