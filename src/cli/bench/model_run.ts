import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { openTrainer } from "../../api/open_trainer.ts";
import { planRun } from "../../api/plan_run.ts";
import type { RunConfig, Settings } from "../../config/fields.ts";
import { readSettings } from "../../config/read_settings.ts";
import { resolveOrThrow } from "../../config/resolve.ts";
import { openGpu } from "../../gpu/device.ts";
import type { Host } from "../../host/host.ts";
import { memoryAsset } from "../../host/memory.ts";
import { createNodeHost } from "../../host/node.ts";
import { Random } from "../../lib/random.ts";
import { memoryCheckpoints } from "../../storage/memory_checkpoints.ts";
import { publicDir } from "../public_dir.ts";
import { randomModel } from "../random_model/random_folder.ts";
import { SHAPES } from "../random_model/shapes.ts";
import { median } from "./measure.ts";
import { figure, milliseconds, type Section } from "./section.ts";

export interface ModelRunOptions {
  /** A name of SHAPES. */
  readonly shape: string;
  /** Of a row; half of it is prompt where answers are generated. */
  readonly tokens: number;
  /** Rows of a step. */
  readonly rows: number;
  /** Steps that are timed, after one that is not. */
  readonly steps: number;
}

const RANK = 16;
const TOKENIZER = [
  "tokenizer.json",
  "tokenizer_config.json",
  "chat_template.jinja",
  "generation_config.json",
];
const EMBEDDED = "models/aligntune-tiny";
/** Each word is at least a token. */
const WORDS = ["bread", "Ivy", "Lima", "seven", "Tom", "blue", "plus", "likes", "food", "where"];

function text(words: number, seed: number): string {
  const random = new Random(seed);
  return Array.from({ length: words }, () => WORDS[random.integer(WORDS.length)]).join(" ");
}

/** The model that is nowhere, and rows that are longer than what is learned of them. */
async function makeHost({ shape, tokens }: ModelRunOptions): Promise<{ host: Host; parameters: number }> {
  const config = SHAPES[shape] ?? {};
  const embedded = join(publicDir(), EMBEDDED);
  const { eos_token_id, pad_token_id } = JSON.parse(await readFile(join(embedded, "config.json"), "utf8"));
  const files = await Promise.all(
    TOKENIZER.map(async (file) => [file, new Uint8Array(await readFile(join(embedded, file)))] as const),
  );
  const { folder, parameters } = await randomModel(
    shape,
    { ...config, eos_token_id, pad_token_id },
    { seed: 1, dtype: "BF16", deviation: 0.02 },
    Object.fromEntries(files),
  );
  const rows = Array.from({ length: 64 }, (_, i) => ({ text: text(tokens, i), prompt: text(tokens, i) }));
  const asset = (key: "text" | "prompt") =>
    memoryAsset(
      `${key}.jsonl`,
      new TextEncoder().encode(rows.map((row) => JSON.stringify({ [key]: row[key] })).join("\n")),
    );
  const host: Host = {
    ...createNodeHost({ publicDir: publicDir(), runDir: () => "unused" }),
    openModel: async () => folder,
    openDataset: async (name) => asset(name === "text" ? "text" : "prompt"),
    checkpoints: memoryCheckpoints(),
  };
  return { host, parameters };
}

function configOf(
  { shape, tokens, rows, steps }: ModelRunOptions,
  algorithm: "sft" | "grpo",
  backend: "trl" | "unsloth",
): RunConfig {
  const shared: Settings = {
    ...{ algorithm, backend, model_name: shape, lora_rank: RANK, batch_size: rows, max_seq_length: tokens },
    ...{ max_steps: 1 + steps, logging_steps: 1, save_strategy: "no", sample_every: 0 },
  };
  const half = Math.floor(tokens / 2);
  const own: Settings =
    algorithm === "sft"
      ? { dataset_name: "text" }
      : {
          ...{ dataset_name: "prompt", num_generations: rows, max_completion_length: half },
          rewards: [{ type: "length", params: { target_length: half, unit: "tokens" } }],
        };
  return resolveOrThrow({ override: readSettings({ ...shared, ...own }) }).config;
}

interface RunResult {
  readonly algorithm: string;
  readonly backend: string;
  /** Seconds until the first step: weights made, quantised, uploaded; memory; all pipelines. */
  readonly open: number;
  readonly first: number;
  /** Seconds of a step, the median. */
  readonly step: number;
  readonly tokensPerSecond: number;
  readonly planned: number;
  readonly peak: number;
  readonly loss: number;
}

async function measureRun(host: Host, options: ModelRunOptions, config: RunConfig): Promise<RunResult> {
  const gpu = await openGpu();
  try {
    const plan = await planRun(host, config, gpu.capabilities);
    const times: number[] = [];
    const tokens: number[] = [];
    let loss = Number.NaN;
    const opened = performance.now();
    const trainer = await openTrainer({
      ...{ host, config, configText: "", run: "bench", place: "Node", gpu },
      events: {
        metrics: (_, values) => {
          times.push(performance.now());
          tokens.push(values["num_tokens"] ?? Number.NaN);
          loss = values["loss"] ?? Number.NaN;
        },
        ...{ step: () => {}, checkpoint: () => {}, note: () => {}, sample: async () => {} },
      },
    });
    const start = performance.now();
    await trainer.train({ request: "go" });
    const steps = times.slice(1).map((time, i) => (time - (times[i] ?? 0)) / 1000);
    if (steps.length !== options.steps || !Number.isFinite(loss))
      throw new Error(`${config.algorithm} on ${config.backend} did not do its steps: loss ${loss}`);
    const step = median(steps);
    const perStep = ((tokens.at(-1) ?? 0) - (tokens[0] ?? 0)) / steps.length;
    return {
      ...{ algorithm: config.algorithm, backend: config.backend, step, loss },
      open: (start - opened) / 1000,
      first: ((times[0] ?? 0) - start) / 1000,
      tokensPerSecond: perStep / step,
      planned: plan.total,
      peak: gpu.counts.peakBytes,
    };
  } finally {
    gpu.close();
  }
}

const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);

/**
 * SFT and GRPO of a model of a published shape with random weights, on both backends: time, and memory against the plan.
 * `onRun` hears of each run that is done.
 */
export async function measureModel(
  options: ModelRunOptions,
  onRun: (text: string) => void = () => {},
): Promise<Section> {
  const { host, parameters } = await makeHost(options);
  const results: RunResult[] = [];
  for (const algorithm of ["sft", "grpo"] as const) {
    for (const backend of ["trl", "unsloth"] as const) {
      const result = await measureRun(host, options, configOf(options, algorithm, backend));
      results.push(result);
      onRun(`${algorithm} on ${backend}: ${milliseconds(result.step)} a step`);
    }
  }
  return {
    title: `${options.shape}: ${figure(parameters / 1e6)} M parameters, LoRA r ${RANK}, ${options.rows} x ${options.tokens} tokens`,
    header: [
      "",
      "backend",
      "opened",
      "first step",
      "step",
      "tokens/s",
      "planned MiB",
      "peak MiB",
      "peak/plan",
    ],
    rows: results.map((result) => [
      ...[result.algorithm, result.backend, `${figure(result.open)} s`],
      ...[milliseconds(result.first), milliseconds(result.step), figure(result.tokensPerSecond)],
      ...[mebibytes(result.planned), mebibytes(result.peak), figure(result.peak / result.planned)],
    ]),
    notes: [
      `The median of ${options.steps} steps after the first. Weights are random, in 16 bits, and made while they are read.`,
      "GRPO generates half of each row, in groups of all rows of a step; generation and scoring are part of its time.",
    ],
    data: { ...options, parameters, results },
  };
}
