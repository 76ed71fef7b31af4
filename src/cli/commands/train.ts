import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type OpenTrainer, openTrainer } from "../../api/open_trainer.ts";
import type { Sample, Sampler } from "../../api/sampler.ts";
import { settleRevisions } from "../../api/settle_revisions.ts";
import type { RunConfig } from "../../config/fields.ts";
import type { LogRow } from "../../formats/trainer_state.ts";
import { verifyExport } from "../../formats/verify_export.ts";
import { createNodeHost } from "../../host/node.ts";
import { nodeFolder } from "../../host/node_files.ts";
import { AppError } from "../../lib/errors.ts";
import { formatBytes } from "../../lib/format_bytes.ts";
import type { Outcome, RunControl, RunEvents } from "../../trainer/training_run.ts";
import { describeReview } from "../describe.ts";
import { toldHub } from "../downloads.ts";
import { onInterrupt } from "../interrupt.ts";
import { configText, type LoadedConfig, loadConfig } from "../load_config.ts";
import { adviseAfter, memoryLines } from "../memory.ts";
import type { Output } from "../output.ts";
import { createProgress, type Progress } from "../progress.ts";
import { publicDir } from "../public_dir.ts";
import {
  appendRow,
  CONFIG,
  checkUnused,
  METRICS,
  makeFolder,
  ROLLOUTS,
  rowsUntil,
  SAMPLES,
  toLines,
  writeWhole,
} from "../run_folder.ts";

export interface TrainArguments {
  readonly config: string | undefined;
  readonly recipe: string | undefined;
  readonly set: readonly string[];
  readonly output: string | undefined;
  readonly resume: boolean;
  readonly skipBadRows: boolean;
}

/**
 * `aligntune train`: trains, saves into DIR, and exits 130 after Ctrl-C with everything saved. Nothing is written before
 * everything that can be refused has been.
 */
export async function train(args: TrainArguments, output: Output): Promise<number> {
  const loaded = await loadRunConfig(args);
  describeReview(loaded, output);
  for (const note of loaded.notes) output.say(`Note: ${note.message}`);
  const dir = args.output ?? loaded.config.output_dir;
  const host = createNodeHost({ publicDir: publicDir(), hub: toldHub(output.downloads), runDir: () => dir });
  const resumeStep = await resumeFrom(dir, args, await host.checkpoints.steps(""));
  const config = args.resume ? loaded.config : await settleRevisions(host, loaded.config);
  const text = configText(config);
  const earlierLog = resumeStep === undefined ? [] : await rowsUntil(dir, METRICS, resumeStep);
  const progress = createProgress();
  let samples: SampleRounds | undefined;
  const trainer = await openTrainer({
    ...{ host, config, configText: text, run: "", place: "Node", resumeStep, earlierLog },
    ...{ skipBadRows: args.skipBadRows, samples: true },
    events: eventsFor(dir, output, progress, async (step) => samples?.ask(step)),
  }).catch(async (error: unknown) => {
    const file = args.resume ? join(dir, CONFIG) : args.config;
    await adviseAfter(error, host, { file, recipe: args.recipe, set: args.set }, output);
    throw error;
  });
  try {
    const { sampler } = trainer;
    for (const note of trainer.notes) output.say(`Note: ${note}`);
    announce(trainer, config, output);
    await openRunFolder(dir, text, resumeStep, earlierLog);
    samples = sampler && sampleRounds(dir, sampler, output);
    const outcome = await trainUntilInterrupted(trainer, samples, progress, output);
    return await finish(trainer, config, outcome, { dir, samples, output });
  } finally {
    trainer.close();
  }
}

/** On resume the run's own configuration counts, with what --set changes; else the one given. */
async function loadRunConfig(args: TrainArguments): Promise<LoadedConfig> {
  const { config, recipe, set, resume, output } = args;
  if (!resume) return loadConfig({ file: config, recipe, set });
  if (!output) throw new AppError("config-invalid", "--resume needs --output DIR: the folder of the run.");
  if (config !== undefined || recipe !== undefined) {
    throw new AppError(
      "config-invalid",
      `--resume continues with ${join(output, CONFIG)}. Leave out --config and --recipe; --set changes single settings.`,
    );
  }
  return loadConfig({ file: join(output, CONFIG), set });
}

/** The checkpoint to continue, or undefined for a new run. Throws `checkpoint-invalid`, `config-invalid`. */
async function resumeFrom(
  dir: string,
  { resume, config }: TrainArguments,
  steps: readonly number[],
): Promise<number | undefined> {
  const last = steps.at(-1);
  if (resume && last === undefined) {
    throw new AppError(
      "checkpoint-invalid",
      `${dir} has no complete checkpoint to resume from. Start the run again without --resume.`,
    );
  }
  if (!resume && last !== undefined) {
    throw new AppError(
      "config-invalid",
      `${dir} already holds a run with checkpoints (the last at step ${last}). Continue it with --resume, or give another --output.`,
    );
  }
  if (!resume) await checkUnused(dir, config);
  return last;
}

async function openRunFolder(
  dir: string,
  configText: string,
  resumeStep: number | undefined,
  log: readonly LogRow[],
): Promise<void> {
  const samples = resumeStep === undefined ? [] : await rowsUntil(dir, SAMPLES, resumeStep);
  await makeFolder(dir);
  await writeWhole(join(dir, METRICS), toLines(log));
  await rewindRollouts(dir, resumeStep);
  if (samples.length > 0) await writeWhole(join(dir, SAMPLES), toLines(samples));
  else await rm(join(dir, SAMPLES), { force: true });
  await writeWhole(join(dir, CONFIG), configText);
}

/** Rollouts of steps that are done stay; those of steps that will be done again come again. */
async function rewindRollouts(dir: string, resumeStep: number | undefined): Promise<void> {
  const rows = resumeStep === undefined ? [] : await rowsUntil(dir, ROLLOUTS, resumeStep);
  if (rows.length > 0) await writeWhole(join(dir, ROLLOUTS), toLines(rows));
  else await rm(join(dir, ROLLOUTS), { force: true });
}

function eventsFor(
  dir: string,
  output: Output,
  progress: Progress,
  sample: (step: number) => Promise<void>,
): RunEvents {
  return {
    metrics: (step, values) => {
      const row = { step, ...values };
      appendRow(dir, METRICS, row);
      output.emit(row, progress.line(step, values));
    },
    step: (_, tokens) => progress.step(tokens),
    checkpoint: (step) => {
      const checkpoint = join(dir, `checkpoint-${step}`);
      output.emit({ step, checkpoint }, `Saved ${checkpoint}.`);
    },
    rollout: (records) => {
      for (const record of records) appendRow(dir, ROLLOUTS, record);
    },
    sample,
    note: (text) => output.say(`Note: ${text}`),
  };
}

interface SampleRounds {
  /** Answers at this step, unless they were given already. */
  ask(step: number, again?: boolean): Promise<void>;
}

function sampleRounds(dir: string, sampler: Sampler, output: Output): SampleRounds {
  let last: number | undefined;
  return {
    ask: async (step, again = false) => {
      if (last === step && !again) return;
      last = step;
      const samples = await sampler.sample();
      appendRow(dir, SAMPLES, { step, samples });
      output.emit({ step, samples }, [`Answers at step ${step}:`, ...samples.map(showSample)].join("\n"));
    },
  };
}

function showSample({ prompt, answer }: Sample): string {
  return `  > ${indented(prompt)}\n    ${indented(answer)}`;
}

function indented(text: string): string {
  return text.trim().replaceAll("\n", "\n    ");
}

/** What batch_size counts. */
const ROWS_OF: Readonly<Partial<Record<RunConfig["algorithm"], string>>> = { sft: "rows", dpo: "pairs" };

function announce(trainer: OpenTrainer, config: RunConfig, output: Output): void {
  const { gpu, data, engine } = trainer;
  const { vendor, description } = gpu.capabilities;
  output.say(`GPU: ${description || vendor}`);
  output.say(
    `${data.trainRows} training rows, ${data.heldOutRows} held out; ${engine.pool.size.toLocaleString("en")} trainable numbers; ${trainer.totalSteps} steps of ${config.batch_size} x ${config.gradient_accumulation_steps} ${ROWS_OF[config.algorithm] ?? "completions"}.`,
  );
  output.say(memoryLines(trainer.memory));
}

async function trainUntilInterrupted(
  trainer: OpenTrainer,
  samples: SampleRounds | undefined,
  progress: Progress,
  output: Output,
): Promise<Outcome> {
  const control: { request: RunControl["request"] } = { request: "go" };
  onInterrupt(() => {
    output.say("Finishing this step and saving. Continue with --resume.");
    control.request = "pause";
  });
  if (trainer.step === 0) await samples?.ask(0);
  progress.start(trainer.totalSteps, trainer.step);
  return trainer.train(control);
}

async function finish(
  trainer: OpenTrainer,
  config: RunConfig,
  outcome: Outcome,
  { dir, samples, output }: { dir: string; samples: SampleRounds | undefined; output: Output },
): Promise<number> {
  const { step } = outcome;
  if (outcome.state === "paused") {
    const reason = outcome.reason ?? "interrupted";
    output.emit({ state: "paused", step, reason }, `Paused at step ${step}: ${reason}`);
    return outcome.reason === null ? 130 : 1;
  }
  await samples?.ask(step, config.load_best_model_at_end);
  const files = await trainer.exportAssets();
  for (const file of files) await writeWhole(join(dir, file.name), file);
  await verifyExport(nodeFolder(dir), files);
  const early = outcome.reason ? ` (${outcome.reason})` : "";
  const { memory, gpu } = trainer;
  const gpu_memory = { planned: memory.total, peak: gpu.counts.peakBytes };
  output.say(`GPU memory: planned ${formatBytes(gpu_memory.planned)}, peak ${formatBytes(gpu_memory.peak)}.`);
  output.emit(
    { state: "done", step, output: dir, reason: outcome.reason, gpu_memory },
    `Done after ${step} steps${early}. The result is in ${dir}.`,
  );
  return 0;
}
