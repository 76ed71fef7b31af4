import type { MemoryAdvice } from "../protocol/setup.ts";
import { request } from "./client.ts";
import { useRuns } from "./runs.ts";
import { useSetup } from "./setup.ts";
import { setSetting, takeSettingsOf } from "./setup_actions.ts";

/** How a run, or the one that is being set up, could take less memory. Rejects with what the worker refuses. */
export async function askForAdvice(runId: string | undefined): Promise<readonly MemoryAdvice[]> {
  const { given, recipe, files } = useSetup.getState();
  const text = runId === undefined ? null : (useRuns.getState().runs[runId]?.configYaml ?? null);
  const named =
    text === null
      ? { given, recipe }
      : { given: (await request("reviewConfig", { text, repair: false })).given, recipe: null };
  const { advice } = await request("adviseMemory", { ...named, files });
  return advice;
}

/** Takes up a piece of advice, in the settings of that run where there is one. */
export async function takeAdvice({ change }: MemoryAdvice, runId: string | undefined): Promise<void> {
  if (runId !== undefined) await takeSettingsOf(runId);
  for (const [key, value] of Object.entries(change)) setSetting(key, value);
}
