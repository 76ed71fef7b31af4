import { spawnSync } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { sftObjective } from "../algorithms/sft.ts";
import { encodeFloats } from "../formats/dtype.ts";
import { openModelFolder } from "../formats/model_folder.ts";
import { writeSafetensors } from "../formats/safetensors.ts";
import { openGpu } from "../gpu/device.ts";
import { memoryFolder } from "../host/memory.ts";
import { createNodeHost } from "../host/node.ts";
import { Random } from "../lib/random.ts";
import type { BatchRow } from "../model/batch_tables.ts";
import { readModelSpec } from "../model/registry.ts";
import type { ModelSpec } from "../model/spec.ts";
import { weightEntries } from "../model/trainable_weights.ts";
import { restoreRun, saveRun } from "../trainer/checkpointing.ts";
import { Engine } from "../trainer/engine.ts";
import { installDawn } from "./dawn.ts";
import { publicDir } from "./public_dir.ts";

const USAGE = `npm run pretrain -- --output DIR [--steps N] [--limit N]

Pretrains the embedded model from random initialisation with this engine: full fine-tuning on the seeded corpus of
scripts/tiny_world, in f32. DIR gets the corpus, checkpoints (run again to go on), pretrain.jsonl and, at the end,
model.safetensors in bf16. --limit stops after a step of the schedule. On a CPU adapter the whole schedule takes most of
a day; scripts/tiny_world/pretrain.py is the same recipe for PyTorch.`;

/** The recipe, the same as in scripts/tiny_world/pretrain.py. */
const SEED = 20240611;
const DOCUMENTS = 64;
const DIVISOR = 640;
const WARMUP = 100;
const DECAY = 2100;
const PEAK = 3e-3;
const SAVE_EVERY = 200;
/** Longest prompt and answer together. */
const LONGEST = 80;

/** Linear warm-up, the peak, and over the last steps a half cosine to 2 % of it. */
function rate(step: number, steps: number): number {
  if (step < WARMUP) return (PEAK * (step + 1)) / WARMUP;
  const share = Math.min(1, Math.max(0, (step - (steps - DECAY)) / DECAY));
  return PEAK * (0.02 + 0.98 * 0.5 * (1 + Math.cos(Math.PI * share)));
}

/** Matrices normal with deviation 0.02, norms one, as transformers initialises Qwen3. */
function randomWeights(spec: ModelSpec): Uint8Array<ArrayBuffer> {
  const names = weightEntries(spec, 2 ** 30).flatMap((entry) => entry.names);
  const tensors = names.map(({ name, shape }, stream) => {
    const random = new Random(SEED, stream);
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
    for (let i = 0; i < data.length; i++) data[i] = shape.length === 1 ? 1 : 0.02 * random.normal();
    return { name, dtype: "F32" as const, shape, data: encodeFloats(data, "F32") };
  });
  return writeSafetensors(tensors);
}

/** Documents of the corpus: three numbers (tokens, first answer token, kind), then the ids. */
function readCorpus(bytes: Buffer): (index: number) => { ids: Uint16Array; answer: number } {
  const numbers = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
  const starts: number[] = [];
  for (let at = 0; at < numbers.length; at += 3 + (numbers[at] ?? 0)) starts.push(at);
  return (index) => {
    const at = starts[index];
    if (at === undefined) throw new Error(`the corpus has ${starts.length} documents`);
    return { ids: numbers.subarray(at + 3, at + 3 + (numbers[at] ?? 0)), answer: numbers[at + 1] ?? 0 };
  };
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      output: { type: "string" },
      steps: { type: "string", default: "5600" },
      limit: { type: "string" },
      help: { type: "boolean" },
    },
  });
  if (values.help || values.output === undefined) {
    console.log(USAGE);
    return values.help ? 0 : 2;
  }
  const steps = Number(values.steps);
  await pretrain(values.output, steps, Math.min(steps, Number(values.limit ?? steps)));
  return 0;
}

/** Writes the corpus of the first `documents` documents into `dir`. */
function makeCorpus(dir: string, documents: number): void {
  const script = join(dirname(publicDir()), "scripts/tiny_world/make_corpus.mjs");
  const args = [script, "--output", dir, "--documents", String(documents)];
  const { status } = spawnSync(process.execPath, args, { stdio: "inherit" });
  if (status !== 0) throw new Error("the corpus could not be made");
}

async function pretrain(dir: string, steps: number, until: number): Promise<void> {
  await mkdir(dir, { recursive: true });
  makeCorpus(dir, until * DOCUMENTS);
  const document = readCorpus(await readFile(join(dir, "corpus.bin")));
  installDawn();
  const config = await readFile(join(publicDir(), "models/aligntune-tiny/config.json"));
  const spec = readModelSpec(JSON.parse(config.toString()));
  const files = { "config.json": new Uint8Array(config), "model.safetensors": randomWeights(spec) };
  const gpu = await openGpu();
  const engine = await Engine.create(gpu, {
    ...{ spec, model: await openModelFolder(memoryFolder("random", files)), trainable: { kind: "full" } },
    ...{ baseFormat: "stored", rematerialize: false, micros: 1, maxLength: LONGEST },
    capacity: { N: DOCUMENTS * 48, M: DOCUMENTS * 32, R: DOCUMENTS },
    objective: sftObjective({ kind: "nll", smoothing: 0 }),
    optimizer: { kind: "adamw", beta1: 0.9, beta2: 0.98, epsilon: 1e-8, weightDecay: 0.01, maxGradNorm: 1 },
  });
  const { checkpoints } = createNodeHost({ publicDir: publicDir(), runDir: () => dir });
  const last = (await checkpoints.steps("")).at(-1);
  let step = last === undefined ? 0 : (await restoreRun(checkpoints, "", last, engine)).step;
  const began = performance.now();
  const first = step;
  for (; step < until; step++) {
    engine.accumulate(batchOf(document, step), { micro: 0, step, seed: SEED, noise: 0 });
    const report = await engine.update({ lr: rate(step, steps), step, micros: 1 }).read();
    const micro = report.micros[0];
    const done = step + 1;
    if (done % 10 === 0 && micro) {
      const seconds = (performance.now() - began) / 1000 / (done - first);
      const loss = (micro.loss * DIVISOR) / micro.live;
      console.log(JSON.stringify({ step: done, loss, grad_norm: report.gradNorm, seconds_a_step: seconds }));
    }
    if (done % SAVE_EVERY !== 0 && done !== until) continue;
    const nothing = { random: null, data: null, scheduler: null, metrics: null };
    await saveRun(
      checkpoints,
      "",
      engine,
      { step: done, config: "", kernels: engine.profile, ...nothing },
      [],
    );
    for (const old of (await checkpoints.steps("")).slice(0, -1)) await checkpoints.remove("", old);
  }
  const trained = await engine.pool.read(gpu, "params");
  const tensors = [...trained].map(([name, { shape, data }]) => ({
    ...{ name, shape, dtype: "BF16" as const, data: encodeFloats(data, "BF16") },
  }));
  await writeFile(join(dir, "model.safetensors"), writeSafetensors(tensors));
  gpu.close();
}

/** One step's documents; loss on the answers, divided by a constant so that short answers do not weigh more. */
function batchOf(document: ReturnType<typeof readCorpus>, step: number): BatchRow[] {
  return Array.from({ length: DOCUMENTS }, (_, i) => {
    const { ids, answer } = document(step * DOCUMENTS + i);
    const targets = Array.from({ length: ids.length - answer }, (_, t) => answer + t);
    return { ids, key: step * DOCUMENTS + i, targets, weights: targets.map(() => 1 / DIVISOR) };
  });
}

process.exit(await main());
