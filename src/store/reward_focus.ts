import { create } from "zustand";
import { takeSettingsOf } from "./setup_actions.ts";
import { openAtRow } from "./setup_refresh.ts";

/** The reward that the form opens at, with an answer to try it on. */
export interface RewardFocus {
  readonly index: number;
  readonly completion: string;
}

export const useRewardFocus = create<{ readonly focus: RewardFocus | null }>(() => ({ focus: null }));

/** Takes up the settings of a run, to correct one of its rewards on the answer, and the row of the dataset, that it failed on. */
export async function editReward(runId: string, focus: RewardFocus, row: number | null): Promise<void> {
  if (row !== null) openAtRow(row);
  await takeSettingsOf(runId);
  useRewardFocus.setState({ focus });
}

/** It was opened. */
export const clearRewardFocus = (): void => useRewardFocus.setState({ focus: null });
