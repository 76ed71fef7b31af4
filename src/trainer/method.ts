import type { RolloutRecord } from "../rollout/record.ts";
import type { PendingReport } from "./engine.ts";
import type { StepRecord } from "./metrics.ts";

/** Where the loop stands when it asks for a step. */
export interface StepPlace {
  /** Optimizer steps done before. */
  readonly step: number;
  /** The rate that this step uses. */
  readonly learningRate: number;
}

/** One optimizer step, as an algorithm has done it: on its way through the GPU, not awaited. */
export interface DoneStep {
  readonly report: PendingReport;
  /** Tokens that the step read. */
  readonly tokens: number;
  /** Epochs done after it, with fraction. */
  readonly epoch: number;
  /** Whether the data starts anew after it. */
  readonly endsEpoch: boolean;
  /** What the host knows of the step under its name in the log: rewards, lengths. */
  readonly values?: Promise<Readonly<Record<string, number>>> | Readonly<Record<string, number>>;
  /** What a person should know of the rows that the step found unusable. */
  readonly notes?: readonly string[];
  /** Why the run should pause after this step, for people. */
  readonly pause?: string | undefined;
}

/** An algorithm at work, as the loop sees it: it does one optimizer step at a time, and can be put down and taken up. */
export interface Method {
  readonly totalSteps: number;
  /**
   * Where its rows cannot be had, it throws what they were refused for, and the run is paused and not lost; `midStep` in the
   * error's details says that some of the step was done already, so that it cannot be taken up again.
   */
  step(place: StepPlace): Promise<DoneStep>;
  /** The log line of the steps since the last one. */
  logValues(records: readonly StepRecord[]): Record<string, number>;
  /** How it does on what is held out, under names that begin with `eval_`; undefined when nothing is. */
  readonly evaluate: (() => Promise<Record<string, number>>) | undefined;
  /** All that going on to the same bits needs beside the engine's tensors; survives JSON. */
  state(): unknown;
  restore(state: unknown): void;
  /** Lets go of what lives outside the engine: files that are read, processes that run a person's code. */
  close?(): void;
}

/** What a method tells beside its steps. */
export interface MethodEvents {
  note(text: string): void;
  /** The completions of one prompt set, scored, before the first step that learns from them. */
  rollout?(records: readonly RolloutRecord[]): void;
}
