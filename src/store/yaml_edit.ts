import { create } from "zustand";
import { noteError } from "./app.ts";
import { request } from "./client.ts";
import type { Failure } from "./failure.ts";
import type { ReviewProblem } from "./review.ts";
import { useSetup } from "./setup.ts";
import { applyReview } from "./setup_actions.ts";

/** The document as text, while it is edited as text. */
export interface YamlState {
  readonly text: string;
  readonly fileName: string;
  readonly problems: readonly ReviewProblem[];
  readonly error: Failure | null;
}

export const useYaml = create<YamlState>(() => ({ text: "", fileName: "", problems: [], error: null }));

const DEBOUNCE_MS = 300;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Writes the document as YAML. */
export async function writeYaml(): Promise<{ fileName: string; yaml: string } | undefined> {
  const { given, recipe } = useSetup.getState();
  try {
    const file = await request("exportConfig", { given, recipe, shape: "flat" });
    useYaml.setState({ text: file.yaml, fileName: file.fileName, problems: [], error: null });
    return file;
  } catch (error) {
    useYaml.setState({ error: noteError(error) });
    return undefined;
  }
}

/** Reads the text back into the document as it is typed. What cannot be read leaves the document alone. */
export function editYaml(text: string): void {
  useYaml.setState({ text });
  clearTimeout(timer);
  timer = setTimeout(() => void readYaml(text), DEBOUNCE_MS);
}

async function readYaml(text: string): Promise<void> {
  try {
    const review = await request("reviewConfig", { text, repair: false });
    if (useYaml.getState().text !== text) return;
    useYaml.setState({ problems: review.problems, error: null });
    if (review.used.length > 0 || text.trim() === "") applyReview(review);
  } catch (error) {
    useYaml.setState({ error: noteError(error) });
  }
}
