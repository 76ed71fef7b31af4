import { useState } from "react";
import { navigate } from "wouter/use-hash-location";
import { noteError, useApp } from "../../store/app.ts";
import type { Failure } from "../../store/failure.ts";
import { startRun } from "../../store/run_actions.ts";
import { currentRun, useRuns } from "../../store/runs.ts";

/** Starts a recipe at a press, and says why it cannot be. */
export function useStart(): {
  readonly start: (recipe: string, method: string) => Promise<void>;
  /** The recipe that is being started. */
  readonly starting: string | null;
  readonly failure: Failure | null;
  readonly ready: boolean;
  /** What stands in the way; null when nothing does. */
  readonly wait: string | null;
} {
  const catalog = useApp((state) => state.catalog.state);
  const device = useApp((state) => state.device.state);
  const running = useRuns((state) => currentRun(state) !== undefined);
  const [starting, setStarting] = useState<string | null>(null);
  const [failure, setFailure] = useState<Failure | null>(null);
  const start = async (recipe: string, method: string): Promise<void> => {
    setStarting(recipe);
    setFailure(null);
    try {
      const id = await startRun({ method, given: {}, recipe, files: {}, name: null, skipBadRows: false });
      navigate(`/run/${id}`);
    } catch (error) {
      setFailure(noteError(error));
    } finally {
      setStarting(null);
    }
  };
  const wait = running ? "A run is going on" : device === "ready" ? null : "Looking for your GPU…";
  const ready = starting === null && wait === null && catalog === "ready";
  return { start, starting, failure, ready, wait };
}
