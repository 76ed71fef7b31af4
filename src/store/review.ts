import { create } from "zustand";
import type { ConfigReview } from "../protocol/setup.ts";
import { noteError } from "./app.ts";
import { request } from "./client.ts";
import type { Failure } from "./failure.ts";

/** A configuration that was dropped or pasted and is being looked at before it is applied. */
export interface ReviewState {
  readonly open: boolean;
  readonly fileName: string;
  readonly text: string;
  readonly review: ConfigReview | null;
  readonly error: Failure | null;
}

export type ReviewProblem = ConfigReview["problems"][number];

const CLOSED: ReviewState = { open: false, fileName: "", text: "", review: null, error: null };
export const useReview = create<ReviewState>(() => CLOSED);

const UNKNOWN_KEY = /is not a setting/;

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/**
 * The text with one problem's suggestion put in: the nearest key for a key that does not exist, the nearest value otherwise.
 * Returns the text as it was where the place cannot be found.
 */
export function applySuggestion(text: string, problem: ReviewProblem): string {
  const { line, path, message, suggestion } = problem;
  const lines = text.split("\n");
  const row = line === undefined ? undefined : lines[line - 1];
  if (suggestion === undefined || line === undefined || row === undefined) return text;
  const name = escaped(path.split(".").at(-1) ?? "");
  const key = new RegExp(`^(\\s*(?:-\\s+)?["']?)(${name})(["']?\\s*:)`);
  if (!key.test(row) && !UNKNOWN_KEY.test(message)) return text;
  const fixed = UNKNOWN_KEY.test(message)
    ? row.replace(new RegExp(`(["']?)\\b${name}\\b(["']?\\s*:)`), `$1${suggestion}$2`)
    : row.replace(/:\s*(["']?)[^"'#,]*?\1(\s*,?\s*(?:#.*)?)$/, `: $1${suggestion}$1$2`);
  return lines.with(line - 1, fixed).join("\n");
}

/** How many settings would be taken over. Nothing is applied while the text itself cannot be read. */
export const canApply = (review: ConfigReview | null): boolean =>
  review !== null && (review.used.length > 0 || review.changed.length > 0);

export async function openReview(fileName: string, text: string): Promise<void> {
  useReview.setState({ ...CLOSED, open: true, fileName, text });
  await look(text, false);
}

/** Looks again at an edited text. */
export const editReview = (text: string): Promise<void> => look(text, false);
export const repairReview = (): Promise<void> => look(useReview.getState().text, true);
export const fixProblem = (problem: ReviewProblem): Promise<void> =>
  look(applySuggestion(useReview.getState().text, problem), false);
export const closeReview = (): void => useReview.setState(CLOSED);

async function look(text: string, repair: boolean): Promise<void> {
  useReview.setState({ text });
  try {
    const review = await request("reviewConfig", { text, repair });
    if (useReview.getState().text !== text) return;
    useReview.setState({ review, text: repair ? review.text : text, error: null });
  } catch (error) {
    useReview.setState({ error: noteError(error) });
  }
}
