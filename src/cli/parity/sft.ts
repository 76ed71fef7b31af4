import { sftObjective } from "../../algorithms/sft.ts";
import { Engine } from "../../trainer/engine.ts";
import type { Comparison } from "./compare.ts";
import { type GoldenCase, integers, unpad } from "./golden_case.ts";
import { batchRows, countTargets, type Mode, type Subject, trainableOf } from "./subject.ts";

export interface SftResult {
  readonly loss: number;
  readonly gradNorm: number;
  /** By name in the file, with `grad.` before it. */
  readonly tensors: ReadonlyMap<string, Float32Array>;
}

/** Loss and gradients of one batch. */
export async function runSft(
  { gpu, model, spec, adapter }: Subject,
  golden: GoldenCase,
  mode: Mode,
): Promise<SftResult> {
  const ids = await integers(golden.inputs, "input_ids");
  const labels = await integers(golden.inputs, "labels");
  const rows = unpad(ids, await integers(golden.inputs, "attention_mask"), labels);
  const targets = countTargets(rows);
  const N = rows.reduce((sum, row) => sum + row.ids.length, 0);
  const engine = await Engine.create(gpu, {
    ...{ model, spec, ...mode },
    trainable: trainableOf({ gpu, model, spec, adapter }, golden.params["peft_enabled"] === false),
    capacity: { N, M: Math.max(1, targets), R: rows.length },
    micros: 1,
    maxLength: Math.max(...rows.map((row) => row.span)),
    objective: sftObjective({ kind: "nll", smoothing: 0 }),
    optimizer: { kind: "adamw", beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, maxGradNorm: 0 },
  });
  engine.accumulate(batchRows(rows, targets), { micro: 0, step: 0, seed: 0, noise: 0 });
  const grads = await engine.pool.read(gpu, "grads");
  const report = await engine.update({ lr: 0, step: 0, micros: 1 }).read();
  return {
    loss: report.micros[0]?.loss ?? Number.NaN,
    gradNorm: report.gradNorm,
    tensors: new Map([...grads].map(([name, { data }]) => [`grad.${name}`, data])),
  };
}

export async function checkSft(
  subject: Subject,
  golden: GoldenCase,
  mode: Mode,
  comparison: Comparison,
): Promise<void> {
  const { loss, gradNorm, tensors } = await runSft(subject, golden, mode);
  comparison.scalar("loss", loss, golden.scalars["loss"]);
  comparison.scalar("grad_norm", gradNorm, golden.scalars["grad_norm"]);
  await comparison.tensors(golden.expected, (name) => tensors.get(name));
}
