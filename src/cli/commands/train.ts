import { appendFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createSftTrainer, type SftTrainer } from "../../api/sft_trainer.ts";
import type { SftConfig } from "../../config/fields.ts";
import type { LogRow } from "../../formats/trainer_state.ts";
import type { Asset } from "../../host/host.ts";
import { createNodeHost } from "../../host/node.ts";
import { AppError } from "../../lib/errors.ts";
import type { Outcome, RunEvents } from "../../trainer/training_run.ts";
import { describeReview } from "../describe.ts";
import { type LoadedConfig, loadConfig, requireSft } from "../load_config.ts";
import type { Output } from "../output.ts";
import { publicDir } from "../public_dir.ts";

export interface TrainArguments {
  readonly config: string | undefined;
  readonly recipe: string | undefined;
  readonly set: readonly string[];
  readonly output: string | undefined;
  readonly resume: boolean;
  readonly skipBadRows: boolean;
}

const METRICS = "metrics.jsonl";
const CONFIG = "training_config.yaml";

/** `aligntune train`: trains, saves into DIR, and exits 130 after Ctrl-C with everything saved. */
export async function train(args: TrainArguments, output: Output): Promise<number> {
  const directory = args.output;
  const loaded = await loadRunConfig(args);
  if (loaded.review) describeReview(loaded.review, output);
  for (const note of loaded.notes) output.say(`Note: ${note.message}`);
  const config = requireSft(loaded.config);
  const dir = directory ?? config.output_dir;
  await mkdir(dir, { recursive: true });
  const host = createNodeHost({ publicDir: publicDir(), runDir: () => dir });
  const steps = await host.checkpoints.steps("");
  const resumeStep = args.resume ? steps.at(-1) : undefined;
  if (args.resume && resumeStep === undefined) {
    throw new AppError("checkpoint-invalid", `${dir} has no complete checkpoint to resume from.`);
  }
  if (!args.resume && steps.length > 0) {
    throw new AppError(
      "config-invalid",
      `${dir} already holds a run with checkpoints (the last at step ${steps.at(-1)}). Continue it with --resume, or give another --output.`,
    );
  }
  const earlier = await earlierLog(dir, resumeStep);
  await writeFile(join(dir, METRICS), earlier.map((row) => `${JSON.stringify(row)}\n`).join(""));
  await writeFile(join(dir, CONFIG), loaded.text);

  const control: { request: "go" | "pause" | "stop" } = { request: "go" };
  const progress = createProgress(output);
  const trainer = await createSftTrainer({
    ...{ host, config, configText: loaded.text, run: "", place: "Node", resumeStep, earlierLog: earlier },
    skipBadRows: args.skipBadRows,
    events: eventsFor(dir, output, progress),
  });
  for (const note of trainer.notes) output.say(`Note: ${note}`);
  announce(trainer, config, output);
  progress.start(trainer.totalSteps, trainer.step);
  const interrupt = () => {
    output.say("Finishing this step and saving. Continue with --resume.");
    control.request = "pause";
  };
  process.once("SIGINT", interrupt);
  try {
    const outcome = await trainer.train(control);
    return await finish(trainer, outcome, dir, output);
  } finally {
    process.removeListener("SIGINT", interrupt);
    trainer.close();
  }
}

/** On resume the run's own configuration counts, with what --set changes; else the one given. */
async function loadRunConfig(args: TrainArguments): Promise<LoadedConfig> {
  if (!args.resume) return loadConfig({ file: args.config, recipe: args.recipe, set: args.set });
  if (!args.output)
    throw new AppError("config-invalid", "--resume needs --output DIR: the folder of the run.");
  return loadConfig({ file: join(args.output, CONFIG), set: args.set });
}

/** The log lines up to the checkpoint: what came after it is trained again. */
async function earlierLog(dir: string, step: number | undefined): Promise<LogRow[]> {
  if (step === undefined) return [];
  const files = await readdir(dir);
  if (!files.includes(METRICS)) return [];
  const lines = (await readFile(join(dir, METRICS), "utf8")).split("\n").filter(Boolean);
  return lines.map((line) => JSON.parse(line) as LogRow).filter((row) => Number(row["step"]) <= step);
}

function eventsFor(dir: string, output: Output, progress: Progress): RunEvents {
  let writing: Promise<void> = Promise.resolve();
  return {
    metrics: (step, values) => {
      const row = { step, ...values };
      writing = writing.then(() => appendFile(join(dir, METRICS), `${JSON.stringify(row, nonFinite)}\n`));
      output.emit(row, progress.line(step, values));
    },
    step: (step, tokens) => progress.step(step, tokens),
    checkpoint: (step) => output.say(`Saved ${join(dir, `checkpoint-${step}`)}.`),
    sample: async () => {},
    note: (text) => output.say(`Note: ${text}`),
  };
}

function nonFinite(_: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}

function announce(trainer: SftTrainer, config: SftConfig, output: Output): void {
  const { gpu, data, engine } = trainer;
  const { vendor, description } = gpu.capabilities;
  output.say(`GPU: ${description || vendor}`);
  output.say(
    `${data.train.length} training rows, ${data.validation.length} held out; ${engine.pool.size.toLocaleString("en")} trainable numbers; ${trainer.totalSteps} steps of ${config.batch_size} x ${config.gradient_accumulation_steps} rows.`,
  );
}

async function finish(trainer: SftTrainer, outcome: Outcome, dir: string, output: Output): Promise<number> {
  if (outcome.state === "paused") {
    const reason = outcome.reason ?? "interrupted";
    output.emit({ state: "paused", step: outcome.step, reason }, `Paused at step ${outcome.step}: ${reason}`);
    return outcome.reason === null ? 130 : 1;
  }
  const files = await trainer.exportAssets();
  for (const file of files) await writeAsset(join(dir, file.name), file);
  const early = outcome.reason ? ` (${outcome.reason})` : "";
  output.emit(
    { state: "done", step: outcome.step, output: dir, reason: outcome.reason },
    `Done after ${outcome.step} steps${early}. The result is in ${dir}.`,
  );
  return 0;
}

async function writeAsset(path: string, asset: Asset): Promise<void> {
  await rm(path, { force: true });
  const slice = 16 * 2 ** 20;
  if (asset.size === 0) await writeFile(path, "");
  for (let start = 0; start < asset.size; start += slice) {
    await appendFile(path, await asset.read(start, Math.min(asset.size, start + slice)));
  }
}

interface Progress {
  start(totalSteps: number, step: number): void;
  step(step: number, tokens: number): void;
  line(step: number, values: Readonly<Record<string, number>>): string;
}

/** Lines such as "step 12/64  loss 1.234  lr 3e-4  812 tok/s  14 s left". */
function createProgress(_output: Output): Progress {
  let total = 0;
  let first = 0;
  let tokens = 0;
  let began = 0;
  return {
    start(totalSteps, step) {
      total = totalSteps;
      first = step;
      began = performance.now();
    },
    step(_, count) {
      tokens += count;
    },
    line(step, values) {
      const seconds = (performance.now() - began) / 1000;
      const done = step - first;
      const left = done >= 5 ? `  ${Math.ceil((seconds / done) * (total - step))} s left` : "";
      const numbers = ["loss", "eval_loss", "grad_norm", "learning_rate"].flatMap((name) => {
        const value = values[name];
        if (value === undefined) return [];
        return [`${name} ${name === "learning_rate" ? value.toExponential(1) : value.toPrecision(4)}`];
      });
      return `step ${step}/${total}  ${numbers.join("  ")}  ${Math.round(tokens / seconds)} tok/s${left}`;
    },
  };
}
