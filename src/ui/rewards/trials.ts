import { create } from "zustand";
import type { RewardTrialResult } from "../../protocol/setup.ts";
import { noteError } from "../../store/app.ts";
import { request } from "../../store/client.ts";
import type { Failure } from "../../store/failure.ts";
import { useSetup } from "../../store/setup.ts";

/** The last trial of each reward, by its place in the list. */
export interface Trial {
  /** The code that was tried: what came out belongs to it alone. */
  readonly code: string | null;
  readonly running: boolean;
  readonly result: RewardTrialResult | null;
  readonly failure: Failure | null;
}

export const useRewardTrials = create<{ readonly trials: Readonly<Record<number, Trial>> }>(() => ({
  trials: {},
}));

/** After the list has changed, places mean other rewards. */
export const forgetTrials = (): void => useRewardTrials.setState({ trials: {} });

/** The line of the code that the last trial failed at. */
export function failedLine(trial: Trial | undefined): number | null {
  const line = trial?.result?.error?.line ?? trial?.failure?.details["line"];
  return typeof line === "number" ? line : null;
}

const put = (index: number, trial: Trial): void =>
  useRewardTrials.setState(({ trials }) => ({ trials: { ...trials, [index]: trial } }));

/** Scores one answer to a row with the reward as it stands. */
export async function runTrial(
  index: number,
  code: string | null,
  { row, completion }: { readonly row: number; readonly completion: string },
): Promise<void> {
  put(index, { code, running: true, result: null, failure: null });
  const { given, recipe, files } = useSetup.getState();
  try {
    const result = await request("tryReward", { given, recipe, files, reward: index, row, completion });
    put(index, { code, running: false, result, failure: null });
  } catch (error) {
    put(index, { code, running: false, result: null, failure: noteError(error) });
  }
}

/** An answer of the model as it is, to try a reward on. Undefined when it could not be had; why is kept in `failure`. */
export async function sampleAnswer(index: number, code: string | null): Promise<string | undefined> {
  const { row, resolved } = useSetup.getState();
  const question = row.state === "ready" ? row.value.question : null;
  const values = resolved.state === "ready" ? resolved.value.values : {};
  if (question === null) return undefined;
  const revision = values["model_revision"]?.value;
  const number = (key: string, otherwise: number): number => {
    const value = values[key]?.value;
    return typeof value === "number" ? value : otherwise;
  };
  try {
    const { answers } = await request("chat", {
      ...{ chatId: crypto.randomUUID(), runId: null, step: null, messages: question },
      model: String(values["model_name"]?.value ?? ""),
      revision: typeof revision === "string" ? revision : null,
      sampling: {
        temperature: number("temperature", 1),
        top_p: number("top_p", 1),
        top_k: number("top_k", 0),
        max_new_tokens: number("max_completion_length", 128),
        seed: Date.now() % 2 ** 31,
      },
    });
    return answers[0]?.text;
  } catch (error) {
    put(index, { code, running: false, result: null, failure: noteError(error) });
    return undefined;
  }
}
