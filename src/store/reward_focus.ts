import { create } from "zustand";
import { takeSettingsOf } from "./setup_actions.ts";

/** The reward that the form opens at, with an answer to try it on. */
export interface RewardFocus {
  readonly index: number;
  readonly completion: string;
}

export const useRewardFocus = create<{ readonly focus: RewardFocus | null }>(() => ({ focus: null }));

/** Takes up the settings of a run, to correct one of its rewards. */
export async function editReward(runId: string, index: number, completion: string): Promise<void> {
  await takeSettingsOf(runId);
  useRewardFocus.setState({ focus: { index, completion } });
}

/** It was opened. */
export const clearRewardFocus = (): void => useRewardFocus.setState({ focus: null });
