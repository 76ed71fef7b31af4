import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRlTrainer, createSftTrainer, type Trainer } from "../../src/api/create_trainer.ts";
import type { Host } from "../../src/host/host.ts";
import { createNodeHost } from "../../src/host/node.ts";
import type { RolloutRecord } from "../../src/rollout/record.ts";
import type { TestRepository } from "../hub/answers.ts";
import { summaryRepositories } from "../hub/repositories.ts";
import { startHub, type TestHub } from "../hub/server.ts";

export const FILES = join(import.meta.dirname, "files");

/** What keeps a step of the examples to seconds on any adapter; nothing of what they are about. */
export const SMALL = { max_seq_length: 144, max_completion_length: 6, save_strategy: "no" };

type Options = Readonly<Record<string, unknown>>;

export interface Done {
  readonly trainer: Trainer;
  readonly records: readonly RolloutRecord[];
  /** Of each step. */
  readonly metrics: readonly Readonly<Record<string, number | null>>[];
}

export interface Summary {
  readonly hub: TestHub;
  readonly host: Host;
  /** A trainer as the examples create it, on the hub of this machine; closed with the rest. */
  sft(options: Options): Promise<Trainer>;
  rl(options: Options): Promise<Trainer>;
  /** Trains until the end, or until `steps` are done: metrics are read a step later, so one more step begins. */
  train(kind: "sft" | "rl", options: Options, steps?: number): Promise<Done>;
  close(): Promise<void>;
}

/** A hub with the model and the datasets of the summary, a folder for what runs write, and nothing in the hub's cache. */
export async function openSummary(more: readonly TestRepository[] = []): Promise<Summary> {
  const hub = await startHub([...(await summaryRepositories()), ...more]);
  const dir = await mkdtemp(join(tmpdir(), "summary-"));
  const host = createNodeHost({
    publicDir: join(import.meta.dirname, "../../public"),
    runDir: (run) => join(dir, run),
    hubCache: join(dir, "cache"),
    hub: { endpoint: hub.url, retryDelays: [] },
  });
  const opened: Trainer[] = [];
  let runs = 0;
  const create = async (kind: "sft" | "rl", options: Options): Promise<Trainer> => {
    const all = { host, run: `run-${++runs}`, ...options };
    const trainer = await (kind === "sft" ? createSftTrainer(all) : createRlTrainer(all));
    opened.push(trainer);
    return trainer;
  };
  return {
    ...{ hub, host },
    sft: (options) => create("sft", options),
    rl: (options) => create("rl", options),
    train: async (kind, options, steps) => {
      const records: RolloutRecord[] = [];
      const metrics: Readonly<Record<string, number | null>>[] = [];
      const control: { request: "go" | "pause" } = { request: "go" };
      const on = {
        rollout: (some: readonly RolloutRecord[]) => void records.push(...some),
        metrics: (step: number, values: Readonly<Record<string, number | null>>) => {
          metrics.push(values);
          if (step === steps) control.request = "pause";
        },
      };
      const trainer = await create(kind, { ...SMALL, logging_steps: 1, ...options, on });
      const outcome = await trainer.train(control);
      const wanted = steps === undefined ? "done" : "paused";
      if (outcome.state !== wanted || outcome.reason)
        throw new Error(`The run is ${outcome.state} at step ${outcome.step}: ${outcome.reason}`);
      return { trainer, records, metrics };
    },
    close: async () => {
      for (const trainer of opened) trainer.close();
      await hub.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
