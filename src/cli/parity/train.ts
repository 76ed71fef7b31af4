import { sftObjective } from "../../algorithms/sft.ts";
import { Engine } from "../../trainer/engine.ts";
import type { StepReport } from "../../trainer/report.ts";
import { learningRateShare, type ScheduleName } from "../../trainer/schedule.ts";
import type { Comparison } from "./compare.ts";
import { type GoldenCase, integers, type UnpaddedRow, unpad } from "./golden_case.ts";
import { batchRows, countTargets, type Mode, type Subject, trainableOf } from "./subject.ts";

export interface TrainResult {
  readonly losses: readonly number[];
  readonly gradNorms: readonly number[];
  readonly learningRates: readonly number[];
  readonly tensors: ReadonlyMap<string, Float32Array>;
}

function number(golden: GoldenCase, key: string): number {
  const value = golden.params[key];
  if (typeof value !== "number") throw new Error(`params.${key} is missing`);
  return value;
}

function optional(golden: GoldenCase, key: string): number | undefined {
  return golden.params[key] === undefined ? undefined : number(golden, key);
}

/** A short run over given micro-batches: accumulation, clipping, schedule, AdamW. */
export async function runTrain(subject: Subject, golden: GoldenCase, mode: Mode): Promise<TrainResult> {
  const ids = await integers(golden.inputs, "input_ids");
  const mask = await integers(golden.inputs, "attention_mask");
  const labels = await integers(golden.inputs, "labels");
  const [count = 0, B = 0, T = 0] = ids.shape;
  const batches = Array.from({ length: count }, (_, i) => unpad(ids, mask, labels, i * B * T));
  const steps = number(golden, "max_steps");
  const micros = number(golden, "gradient_accumulation_steps");
  const tokens = (rows: readonly UnpaddedRow[]) => rows.reduce((sum, row) => sum + row.ids.length, 0);
  const { gpu, model, spec } = subject;
  const engine = await Engine.create(gpu, {
    ...{ model, spec, micros, ...mode },
    trainable: trainableOf(subject, golden.params["peft_enabled"] === false),
    capacity: {
      N: Math.max(...batches.map(tokens)),
      M: Math.max(1, ...batches.map(countTargets)),
      R: B,
    },
    maxLength: T,
    objective: sftObjective({ kind: "nll", smoothing: 0 }),
    optimizer: {
      kind: "adamw",
      beta1: number(golden, "adam_beta1"),
      beta2: number(golden, "adam_beta2"),
      epsilon: number(golden, "adam_epsilon"),
      weightDecay: number(golden, "weight_decay"),
      maxGradNorm: number(golden, "max_grad_norm"),
    },
  });
  const schedule = {
    name: golden.params["lr_scheduler"] as ScheduleName,
    totalSteps: steps,
    warmupSteps: number(golden, "warmup_steps"),
    cycles: optional(golden, "num_cycles"),
    power: optional(golden, "power"),
    decaySteps: optional(golden, "num_decay_steps"),
    minShare: optional(golden, "min_lr_ratio"),
    endShare: (optional(golden, "lr_end") ?? 1e-7) / number(golden, "learning_rate"),
  };
  const learningRates: number[] = [];
  const reports: StepReport[] = [];
  for (let step = 0; step < steps; step++) {
    const window = batches.slice(step * micros, (step + 1) * micros);
    const targets = window.reduce((sum, rows) => sum + countTargets(rows), 0);
    window.forEach((rows, micro) => {
      engine.accumulate(batchRows(rows, targets), { micro, step, seed: 0, noise: 0 });
    });
    const lr = number(golden, "learning_rate") * learningRateShare(schedule, step);
    learningRates.push(lr);
    reports.push(await engine.update({ lr, step, micros: window.length }).read());
  }
  const final = await engine.pool.read(gpu, "params");
  return {
    losses: reports.map((report) => report.micros.reduce((sum, micro) => sum + micro.loss, 0)),
    gradNorms: reports.map((report) => report.gradNorm),
    learningRates,
    tensors: new Map([...final].map(([name, { data }]) => [`final.${name}`, data])),
  };
}

export async function checkTrain(
  subject: Subject,
  golden: GoldenCase,
  mode: Mode,
  comparison: Comparison,
): Promise<void> {
  const result = await runTrain(subject, golden, mode);
  compareSteps(comparison, result, golden.scalars);
  await comparison.tensors(golden.expected, (name) => result.tensors.get(name));
}

/** The scalars of each step, under the names of the collection. */
export function compareSteps(
  comparison: Comparison,
  result: TrainResult,
  expected: Readonly<Record<string, unknown>>,
): void {
  const lists = { losses: result.losses, grad_norms: result.gradNorms, learning_rates: result.learningRates };
  for (const [name, actual] of Object.entries(lists)) {
    const list = expected[name];
    if (!Array.isArray(list)) comparison.scalar(name, undefined, undefined);
    else
      for (const [step, value] of list.entries()) comparison.scalar(`${name}[${step}]`, actual[step], value);
  }
}
