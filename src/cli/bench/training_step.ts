import { sftObjective } from "../../algorithms/sft.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { Op, Recorder } from "../../gpu/recorder.ts";
import { ZERO_STEP } from "../../gpu/step.ts";
import { Random } from "../../lib/random.ts";
import type { BatchRow } from "../../model/batch_tables.ts";
import type { Trainable } from "../../model/loaded_model.ts";
import { Engine } from "../../trainer/engine.ts";
import { freshValues } from "../../trainer/engine_for.ts";
import { type EngineOptions, prepareEngine } from "../../trainer/engine_parts.ts";
import type { RandomModel } from "../random_model/random_folder.ts";
import { median } from "./measure.ts";
import { smallModel } from "./random_model.ts";
import { figure, milliseconds, type Section } from "./section.ts";

const [B, T, LAYERS, RANK] = [2, 64, 4, 16] as const;
const TOKENS = B * T;
const RUNS = 12;

function optionsFor({ model, spec }: RandomModel, kind: "lora" | "full"): EngineOptions {
  const settings = { rank: RANK, alpha: 32, rsLora: false, dropout: 0, targets: "all-linear" } as const;
  const trainable: Trainable =
    kind === "full" ? { kind } : { kind, settings, values: freshValues(spec, settings, 1) };
  return {
    ...{ model, spec, trainable, baseFormat: "stored", rematerialize: false, micros: 1, maxLength: T },
    capacity: { N: TOKENS, M: B * (T - 1), R: B },
    objective: sftObjective({ kind: "nll", smoothing: 0 }),
    optimizer: {
      ...{ kind: "adamw", beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, maxGradNorm: 1 },
    },
  };
}

function randomRows(vocab: number): BatchRow[] {
  const random = new Random(2);
  const targets = Array.from({ length: T - 1 }, (_, t) => t + 1);
  return Array.from({ length: B }, (_, key) => ({
    ids: Array.from({ length: T }, () => random.integer(vocab)),
    key,
    targets,
    weights: targets.map(() => 1 / (B * (T - 1))),
  }));
}

interface StepResult {
  readonly kind: "lora" | "full";
  /** Seconds that the engine takes to be made: weights, memory, all pipelines. */
  readonly create: number;
  /** Seconds of a step. */
  readonly first: number;
  readonly best: number;
  readonly median: number;
  /** Seconds that the CPU takes to encode and submit, the median. */
  readonly encode: number;
  /** CPU seconds of this process, the least of any step. */
  readonly cpu: number;
  /** What one step creates and submits. */
  readonly perStep: Readonly<Record<string, number>>;
  /** Nanoseconds of each kernel variant in forward and backward; empty where the adapter has no timestamps. */
  readonly profile: readonly (readonly [kernel: string, ns: number, count: number])[];
}

/** Optimizer steps of one micro-batch, each waited for. */
async function measureStep(gpu: Gpu, model: RandomModel, kind: "lora" | "full"): Promise<StepResult> {
  const created = performance.now();
  const engine = await Engine.create(gpu, optionsFor(model, kind));
  const create = (performance.now() - created) / 1000;
  const rows = randomRows(model.spec.vocab);
  const run = async (step: number) => {
    const usage = process.cpuUsage();
    const start = performance.now();
    engine.accumulate(rows, { micro: 0, step, seed: 0, noise: 0 });
    const report = engine.update({ lr: 1e-4, step, micros: 1 });
    const encoded = performance.now();
    const { finite } = await report.read();
    const end = performance.now();
    if (!finite) throw new Error("the loss is not finite");
    const { user, system } = process.cpuUsage(usage);
    const [wall, encode] = [(end - start) / 1000, (encoded - start) / 1000];
    return { wall, encode, cpu: (user + system) / 1e6 };
  };
  const first = (await run(0)).wall;
  await run(1);
  const before = countsOf(gpu);
  const steps: Awaited<ReturnType<typeof run>>[] = [];
  for (let i = 0; i < RUNS; i++) steps.push(await run(2 + i));
  const after = countsOf(gpu);
  const perStep = Object.fromEntries(
    Object.entries(after).map(([name, count]) => [name, (count - (before[name] ?? 0)) / RUNS]),
  );
  const walls = steps.map(({ wall }) => wall);
  return {
    ...{ kind, create, first, best: Math.min(...walls), median: median(walls), perStep },
    encode: median(steps.map(({ encode }) => encode)),
    cpu: Math.min(...steps.map(({ cpu }) => cpu)),
    profile: await profileOf(engine, rows),
  };
}

function countsOf(gpu: Gpu): Readonly<Record<string, number>> {
  const { dispatches, submits, buffers, bindGroups } = gpu.counts;
  return { dispatches, submits, buffers, bindGroups, pipelines: gpu.pipelines.created };
}

async function profileOf(engine: Engine, rows: readonly BatchRow[]) {
  if (!engine.gpu.device.features.has("timestamp-query")) return [];
  const M = rows.reduce((sum, row) => sum + row.targets.length, 0);
  const tiles = B * Math.ceil(T / engine.profile.attentionTile);
  const totals = await engine.program("train").profile({
    ...ZERO_STEP,
    N: TOKENS,
    M,
    R: B,
    T: tiles,
    U: TOKENS,
  });
  return [...totals]
    .map(([kernel, { ns, count }]) => [kernel, ns, count] as const)
    .sort(([, a], [, b]) => b - a);
}

/** Dispatches that one more layer adds to forward and backward, by kernel. */
async function dispatchesOfLayer(gpu: Gpu): Promise<Readonly<Record<string, number>>> {
  const counts: Record<string, number> = {};
  for (const [layers, sign] of [
    [LAYERS, 1],
    [LAYERS - 1, -1],
  ] as const) {
    const { recorders } = await prepareEngine(gpu, optionsFor(await smallModel(layers), "lora"));
    for (const { kernel } of opsOf(recorders, "train")) {
      counts[kernel.name] = (counts[kernel.name] ?? 0) + sign;
    }
  }
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0));
}

function opsOf(recorders: readonly Recorder[], name: string): readonly Op[] {
  return recorders.find((recorder) => recorder.name === name)?.ops ?? [];
}

/** One training step of a model of a million parameters, with an adapter and of all its weights. */
export async function measureTraining(gpu: Gpu): Promise<Section> {
  const model = await smallModel(LAYERS);
  const results = [await measureStep(gpu, model, "lora"), await measureStep(gpu, model, "full")];
  const layer = await dispatchesOfLayer(gpu);
  const inLayer = Object.values(layer).reduce((a, b) => a + b, 0);
  const isCpu = gpu.capabilities.kind === "cpu";
  const profileNotes = results.flatMap(({ kind, profile }) => {
    const total = profile.reduce((sum, [, ns]) => sum + ns, 0);
    const top = profile
      .slice(0, 6)
      .map(([kernel, ns, count]) => `${kernel} ${figure(ns / 1e6)} ms (${count})`);
    return profile.length > 0 ? [`${kind} by kernel, of ${figure(total / 1e6)} ms: ${top.join(", ")}.`] : [];
  });
  const { hidden, heads, vocab } = model.spec;
  return {
    title: `Training step: ${figure(model.parameters / 1e6)} M parameters, B${B} T${T} C${hidden} L${LAYERS} H${heads} V${vocab}, f32`,
    header: [
      ...[
        "",
        "engine made",
        "first",
        "best",
        "median",
        "tokens/s best",
        "median",
        ...(isCpu ? ["CPU time"] : []),
      ],
      ...["encode", "dispatches", "submits", "buffers", "bind groups", "pipelines"],
    ],
    rows: results.map(({ kind, create, first, best, median: middle, encode, cpu, perStep }) => [
      ...[kind === "lora" ? `LoRA r ${RANK}, all linear` : "full", milliseconds(create)],
      ...[milliseconds(first), milliseconds(best)],
      ...[milliseconds(middle), figure(TOKENS / best), figure(TOKENS / middle)],
      ...(isCpu ? [milliseconds(cpu)] : []),
      ...[milliseconds(encode), ...Object.values(perStep).map(String)],
    ]),
    notes: [
      `${inLayer} dispatches a layer, LoRA forward and backward: ${Object.entries(layer)
        .map(([kernel, count]) => `${kernel} ${count}`)
        .join(", ")}.`,
      ...profileNotes,
    ],
    data: { parameters: model.parameters, tokens: TOKENS, results, layer, dispatchesPerLayer: inLayer },
  };
}
