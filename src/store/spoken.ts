import type { HeroMetric } from "../protocol/catalog.ts";
import type { RunStatus } from "../protocol/runs.ts";
import type { RunView } from "./runs.ts";

/** What the one live region says: changes of state, and every tenth of a run. Never each step. */

const TENTHS = 10;

export function spokenStatus(
  name: string,
  before: RunStatus | undefined,
  after: RunStatus,
): string | undefined {
  if (before?.state === after.state) return undefined;
  switch (after.state) {
    case "preparing":
      return `${name}: preparing.`;
    case "running":
      return before?.state === "paused"
        ? `Going on from step ${after.step}.`
        : `${name}: training has started.`;
    case "pausing":
      return "Pausing after this step.";
    case "paused":
      return `Paused at step ${after.step}.${after.saved ? " Saved." : ""}`;
    case "done":
      return after.stoppedEarly
        ? `Stopped at step ${after.step} and kept.`
        : `Done after ${after.step} steps.`;
    case "failed":
      return undefined; // The error itself is an alert.
    case "interrupted":
      return undefined;
  }
}

export function spokenProgress(
  before: RunView | undefined,
  after: RunView,
  { metric, title }: HeroMetric,
): string | undefined {
  const { progress } = after;
  if (after.status.state !== "running" || !progress || progress.totalSteps === 0) return undefined;
  const tenth = (step: number): number => Math.floor((TENTHS * step) / progress.totalSteps);
  if (tenth(progress.step) === tenth(before?.progress?.step ?? 0)) return undefined;
  const value = after.rows.at(-1)?.values[metric];
  const parts = [`${tenth(progress.step) * (100 / TENTHS)} %.`];
  if (typeof value === "number") parts.push(`${title} ${value.toFixed(2)}.`);
  if (progress.secondsLeft !== null) parts.push(`${Math.round(progress.secondsLeft)} seconds left.`);
  return parts.join(" ");
}
