import type { Recorder } from "../../../src/gpu/recorder.ts";
import type { LinearArgs, LinearOptions } from "../../../src/kernels/linear/linear.ts";
import type { LoraSegment, WeightFormat } from "../../../src/kernels/linear/weight.ts";
import type { KernelProfile } from "../../../src/kernels/profile.ts";
import { maxError, testGpu, uniforms } from "../../gpu.ts";
import type { LinearCase } from "../../reference/linear.ts";
import { packWeight } from "../../reference/linear.ts";

interface Lora {
  readonly rank: number;
  readonly segments: readonly LoraSegment[];
  readonly ranksPerSegment?: number;
}

/** One call of linear_nt or linear_nn, with all that surrounds it: what `runCase` needs to know. */
export interface Setting {
  readonly kind: "gpu" | "cpu";
  readonly rows: number;
  readonly M: number;
  readonly K: number;
  readonly format?: WeightFormat;
  readonly first?: number;
  readonly xColumn?: number;
  readonly yColumn?: number;
  /** Columns of x and y beyond those that are used. */
  readonly extra?: number;
  readonly count?: "N" | "M" | "R";
  readonly bias?: boolean;
  readonly residual?: boolean;
  readonly accumulate?: boolean;
  readonly lora?: Lora;
  readonly rate?: number;
  /** Rows beyond those in use. */
  readonly spare?: number;
}

type Binding = (recorder: Recorder, profile: KernelProfile, args: LinearArgs, options: LinearOptions) => void;
type Oracle = (c: LinearCase) => Float64Array;

const gpu = await testGpu();
const SEED = 5;
const STEP = 3;
const TAG = 40;

export function profileOf(kind: "gpu" | "cpu"): KernelProfile {
  return { kind, rowThreads: kind === "gpu" ? 64 : 1, attentionTile: 16 };
}

/** What both the binding and the oracle are given. */
function inputs(isNt: boolean, setting: Setting) {
  const { rows, M, K, format = "f32", first = 0, xColumn = 0, yColumn = 0, extra = 0, spare = 1 } = setting;
  const capacity = rows + spare;
  const [sum, outputs] = isNt ? [K, M] : [M, K];
  const ldx = xColumn + sum + extra;
  const ldy = yColumn + outputs + extra;
  return {
    ...{ rows, M, K, first, format, xColumn, yColumn, capacity, outputs, ldx, ldy },
    packed: packWeight(format, uniforms(1, first + M * K)),
    x: uniforms(2, capacity * ldx),
    before: uniforms(3, capacity * ldy),
    bias: setting.bias ? uniforms(4, outputs) : undefined,
    residual: setting.residual ? uniforms(5, capacity * ldy) : undefined,
    lora: setting.lora ? loraInputs(isNt, capacity, setting.lora) : undefined,
    keys: Array.from({ length: capacity }, (_, n) => (n * 2654435761) >>> 0),
  };
}
type Inputs = ReturnType<typeof inputs>;

/** Strides as in the forward pass for nt, those of A for nn. */
function loraInputs(isNt: boolean, capacity: number, { segments, rank, ranksPerSegment = rank }: Lora) {
  const ldu = Math.max(...segments.map((s) => s.u + rank));
  const rows = Math.max(...segments.map((s) => s.row + s.end - s.begin));
  const strides = isNt ? { columnStride: rank, rankStride: 1 } : { columnStride: 1, rankStride: rows };
  const u = uniforms(6, capacity * ldu);
  return {
    ...strides,
    rank,
    ranksPerSegment,
    scale: 0.5,
    segments,
    u,
    ldu,
    matrix: uniforms(7, rows * rank),
  };
}

function linearArgs({ capacity, outputs, packed, ...c }: Inputs): LinearArgs {
  const { nf4, words } = packed;
  const lora = c.lora && {
    ...c.lora,
    u: gpu.tensor("u", [capacity, c.lora.ldu], c.lora.u),
    matrix: gpu.tensor("matrix", [c.lora.matrix.length], c.lora.matrix),
  };
  return {
    x: gpu.tensor("x", [capacity, c.ldx], c.x),
    y: gpu.tensor("y", [capacity, c.ldy], c.before),
    weight: {
      ...{ tensor: gpu.tensor("weight", [words.length], words), format: c.format },
      ...{ rows: c.M, cols: c.K, first: c.first, ...(nf4 ? { nf4 } : {}) },
    },
    ...(c.bias ? { bias: gpu.tensor("bias", [outputs], c.bias) } : {}),
    ...(c.residual ? { residual: gpu.tensor("residual", [capacity, c.ldy], c.residual) } : {}),
    ...(lora ? { lora } : {}),
    keys: gpu.tensor("keys", [capacity], Uint32Array.from(c.keys)),
  };
}

function linearCase(
  { packed, first, before, bias, residual, lora, ...c }: Inputs,
  setting: Setting,
): LinearCase {
  const { accumulate = false, rate = 0 } = setting;
  return {
    ...c,
    weight: packed.values.slice(first),
    ...(accumulate ? { before } : {}),
    ...(bias ? { bias } : {}),
    ...(residual ? { residual } : {}),
    ...(lora ? { lora } : {}),
    ...(rate > 0 ? { dropout: { rate, tag: TAG, seed: SEED, step: STEP, keys: c.keys } } : {}),
  };
}

/** Runs the binding and the oracle; the largest error, and whether everything around the result was left alone. */
export async function runCase(binding: Binding, oracle: Oracle, isNt: boolean, setting: Setting) {
  const { count = "N", accumulate = false, rate = 0 } = setting;
  const made = inputs(isNt, setting);
  const args = linearArgs(made);
  const { xColumn, yColumn, rows, ldy, outputs, before } = made;
  const dropout = rate > 0 ? { dropout: { rate, tag: TAG } } : {};
  const options = { rows: count, xColumn, yColumn, accumulate, ...dropout };
  const step = { [count]: rows, seed: SEED, step: STEP };
  await gpu.run((recorder) => binding(recorder, profileOf(setting.kind), args, options), step);
  const all = await gpu.read(args.y);
  const isResult = (i: number) => i < rows * ldy && i % ldy >= yColumn && i % ldy < yColumn + outputs;
  const result = all.filter((_, i) => isResult(i));
  const untouched = all.every((value, i) => isResult(i) || value === before[i]);
  return { error: maxError(result, oracle(linearCase(made, setting))), untouched, result, outputs };
}
