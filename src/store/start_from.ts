import type { RunView } from "./runs.ts";

/** What a run starts from, as the settings name it: `run:ID@STEP` is the adapter of an earlier run. */

export const adapterName = (runId: string, step: number): string => `run:${runId}@${step}`;

const NAME = /^run:([^@]+)(?:@(\d+))?$/;

/** The run that a name means; undefined for a folder. */
export const runOfName = (name: string): string | undefined => NAME.exec(name)?.[1];

export interface Offer {
  readonly name: string;
  readonly run: RunView;
  readonly step: number;
}

/** Runs of this model that have kept an adapter, newest first. Those that are going on are not offered: they still change. */
export function offersFor(runs: readonly RunView[], model: unknown): readonly Offer[] {
  return runs.flatMap((run) => {
    const step = run.summary?.adapterStep ?? null;
    const ended =
      run.status.state === "done" || run.status.state === "failed" || run.status.state === "interrupted";
    if (step === null || !ended || run.summary?.model !== model) return [];
    return [{ name: adapterName(run.id, step), run, step }];
  });
}
