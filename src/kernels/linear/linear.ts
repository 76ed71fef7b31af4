import type { Kernel } from "../../gpu/kernel.ts";
import type { Grid, Recorder } from "../../gpu/recorder.ts";
import type { StepValues } from "../../gpu/step.ts";
import { expectShape, numel, type Tensor } from "../../gpu/tensor.ts";
import { invariant } from "../../lib/errors.ts";
import type { KernelProfile } from "../profile.ts";
import { type LoraTerm, WEIGHT_FORMATS, type Weight } from "./weight.ts";

/** What `linearNt` and `linearNn` have in common: the bindings, the parameters and the choice of variant. */

export interface LinearArgs {
  /** (capacity, ldx) */
  readonly x: Tensor;
  /** (capacity, ldy) */
  readonly y: Tensor;
  readonly weight: Weight;
  /** f32, one for each output column of this call. */
  readonly bias?: Tensor;
  /** (capacity, ldr); the columns of y are added. Not y itself: that is `accumulate`. */
  readonly residual?: Tensor;
  readonly lora?: LoraTerm;
  /** (capacity) u32: what identifies a token to dropout, made by the host from row and position. */
  readonly keys?: Tensor;
}

/** What `linearNn` can go back through after the product: h = act(gate) * up, of which the product is the gradient. */
export interface GatedUnit {
  /** (capacity, 2 * outputs), gate first. y has this shape too, and becomes its gradient. */
  readonly gateUp: Tensor;
  readonly act: "silu" | "gelu_tanh";
}

export interface LinearOptions {
  /** Which count of `Step` the rows follow. */
  readonly rows: "N" | "M" | "R";
  /** First column of y that is written; 0 when absent. */
  readonly yColumn?: number;
  /** First column of x that is read; 0 when absent. */
  readonly xColumn?: number;
  /** y += instead of y =. */
  readonly accumulate?: boolean;
  /**
   * Multiplies the low-rank term of rank column j at output channel c by mask / (1 - rate), where the mask is 0 if
   * unit(hash(step.seed, step.step, keys[n], tag + floor(j / ranksPerSegment), c)) < rate. c counts from yColumn.
   */
  readonly dropout?: { readonly rate: number; readonly tag: number };
}

const LINEAR_READS = ["weight", "bias", "matrix", "keys"] as const;
const LINEAR_WRITES = ["x", "residual", "u", "y"] as const;
const LINEAR_PARAMS = {
  M: "u32",
  K: "u32",
  first: "u32",
  xColumn: "u32",
  ldx: "u32",
  yColumn: "u32",
  ldy: "u32",
  ldr: "u32",
  ldu: "u32",
  flags: "u32",
  scaleCodes: "u32",
  scales: "u32",
  map: "u32",
  offset: "f32",
  segments: "u32",
  columnStride: "u32",
  rankStride: "u32",
  rank: "u32",
  scale: "f32",
  begin0: "u32",
  end0: "u32",
  u0: "u32",
  row0: "u32",
  begin1: "u32",
  end1: "u32",
  u1: "u32",
  row1: "u32",
  begin2: "u32",
  end2: "u32",
  u2: "u32",
  row2: "u32",
  tag: "u32",
  ranksPerSegment: "u32",
  rate: "f32",
  counted: "u32",
} as const;

/** What the four shaders declare. */
export const LINEAR_INTERFACE = {
  reads: LINEAR_READS,
  writes: LINEAR_WRITES,
  params: LINEAR_PARAMS,
  step: true,
  consts: { FORMAT: [0, 1, 2, 3], LORA: [0, 1, 2] },
} as const;

/** What linear_nn and linear_nn_tiled declare. */
export const LINEAR_NN_INTERFACE = {
  ...LINEAR_INTERFACE,
  consts: { ...LINEAR_INTERFACE.consts, GLU: [0, 1, 2] },
} as const;

type LinearKernel = Kernel<
  (typeof LINEAR_READS)[number],
  (typeof LINEAR_WRITES)[number],
  keyof typeof LINEAR_PARAMS
>;

export const ROW_COUNTS = { N: 0, M: 1, R: 2 } as const;

/** The rows and columns of outputs that a workgroup makes. */
interface Tile {
  readonly rows: number;
  readonly columns: number;
}

/** The length of a row: everything after the first dimension. */
export function rowLength(tensor: Tensor): number {
  return numel(tensor.shape.slice(1));
}

function tileGrid(rows: (step: StepValues) => number, columns: number, tile: Tile): Grid {
  const x = Math.ceil(columns / tile.columns);
  return (step) => [x, Math.ceil(rows(step) / tile.rows)];
}

/** Sizes of one call: `sum` is the length of each dot product, `outputs` the number of columns made. */
interface LinearSizes {
  readonly sum: number;
  readonly outputs: number;
}

/** The two shaders of one binding: one for CPU adapters and for any shape, one through workgroup memory. */
interface LinearKernels {
  readonly plain: LinearKernel;
  readonly tiled: LinearKernel;
}

/** What the shaders make at a time. */
const PLAIN_TILE = { rows: 32, columns: 32 };
const TILED_TILE = { rows: 64, columns: 64 };

/** Whether every quad of elements that the tiled kernels load is aligned, and no sum ends within one. */
function isTileable({ x, weight }: LinearArgs, { xColumn = 0 }: LinearOptions, sum: number): boolean {
  // The tiled kernels bind words in pairs: the last of an odd number would be out of reach.
  const isPaired = weight.format !== "nf4" || numel(weight.tensor.shape) % 2 === 0;
  return isPaired && [weight.first, weight.cols, sum, rowLength(x), xColumn].every((n) => n % 4 === 0);
}

/** Records one linear with the shader for this profile and these shapes. */
export function recordLinear(
  recorder: Recorder,
  { kind }: KernelProfile,
  kernels: LinearKernels,
  args: LinearArgs & { readonly glu?: GatedUnit },
  options: LinearOptions,
  { sum, outputs }: LinearSizes,
): void {
  const isTiled = kind === "gpu" && isTileable(args, options, sum);
  const kernel = isTiled ? kernels.tiled : kernels.plain;
  const { x, y, weight, bias, residual, lora, glu } = args;
  checkLinear(kernel.name, args, options, { sum, outputs });
  if (glu) checkGatedUnit(kernel.name, args, options, glu, outputs);
  const beside = glu?.gateUp ?? residual;
  recorder.run(
    kernel,
    linearTensors(recorder, args, beside),
    {
      M: weight.rows,
      K: weight.cols,
      first: weight.first,
      xColumn: options.xColumn ?? 0,
      ldx: rowLength(x),
      yColumn: options.yColumn ?? 0,
      ldy: rowLength(y),
      ldr: beside ? rowLength(beside) : 0,
      flags: (bias ? 1 : 0) + (residual ? 2 : 0) + (options.accumulate ? 4 : 0),
      ...nf4Params(weight),
      ...loraParams(lora, options),
      counted: ROW_COUNTS[options.rows],
    },
    tileGrid((step) => step[options.rows], outputs, isTiled ? TILED_TILE : PLAIN_TILE),
    {
      consts: {
        FORMAT: WEIGHT_FORMATS[weight.format],
        LORA: loraMode(lora, options),
        ...(glu && { GLU: glu.act === "silu" ? 1 : 2 }),
      },
      flops: (step) => 2 * step[options.rows] * outputs * (sum + (lora?.rank ?? 0)),
    },
  );
}

/** Every binding; what is absent is never read, so anything may stand in for it. */
function linearTensors(
  recorder: Recorder,
  { x, y, weight, bias, lora, keys }: LinearArgs,
  residual: Tensor | undefined,
) {
  return {
    weight: weight.tensor,
    bias: bias ?? weight.tensor,
    matrix: lora?.matrix ?? weight.tensor,
    keys: keys ?? weight.tensor,
    x,
    residual: residual ?? recorder.alloc("none", [1]),
    u: lora?.u ?? recorder.alloc("none", [1]),
    y,
  };
}

function nf4Params({ nf4 }: Weight) {
  return {
    scaleCodes: nf4?.scaleCodes ?? 0,
    scales: nf4?.scales ?? 0,
    map: nf4?.map ?? 0,
    offset: nf4?.offset ?? 0,
  };
}

function loraMode(lora: LoraTerm | undefined, { dropout }: LinearOptions): number {
  if (!lora || lora.segments.length === 0) return 0;
  return dropout && dropout.rate > 0 ? 2 : 1;
}

function loraParams(lora: LoraTerm | undefined, { dropout }: LinearOptions) {
  const none = { begin: 0, end: 0, u: 0, row: 0 };
  const [s0 = none, s1 = none, s2 = none] = lora?.segments ?? [];
  return {
    segments: lora?.segments.length ?? 0,
    ldu: lora ? rowLength(lora.u) : 0,
    columnStride: lora?.columnStride ?? 0,
    rankStride: lora?.rankStride ?? 0,
    rank: lora?.rank ?? 0,
    scale: lora?.scale ?? 0,
    ...{ begin0: s0.begin, end0: s0.end, u0: s0.u, row0: s0.row },
    ...{ begin1: s1.begin, end1: s1.end, u1: s1.u, row1: s1.row },
    ...{ begin2: s2.begin, end2: s2.end, u2: s2.u, row2: s2.row },
    tag: dropout?.tag ?? 0,
    ranksPerSegment: Math.max(1, lora?.ranksPerSegment ?? lora?.rank ?? 1),
    rate: dropout?.rate ?? 0,
  };
}

function checkLinear(name: string, args: LinearArgs, options: LinearOptions, sizes: LinearSizes): void {
  const { x, y, weight, bias, residual, lora, keys } = args;
  const { xColumn = 0, yColumn = 0, dropout } = options;
  const fits = (what: string, tensor: Tensor, columns: number) =>
    invariant(
      columns <= rowLength(tensor),
      `${name}: ${what} ${tensor.label} (${tensor.shape.join(", ")}) has fewer than ${columns} columns`,
    );
  fits("x", x, xColumn + sizes.sum);
  fits("y", y, yColumn + sizes.outputs);
  if (residual) fits("residual", residual, yColumn + sizes.outputs);
  invariant(residual !== y, `${name}: residual is y; use accumulate`);
  if (bias) {
    invariant(
      numel(bias.shape) === sizes.outputs,
      `${name}: ${bias.label} must have ${sizes.outputs} values`,
    );
  }
  invariant(weight.format !== "nf4" || weight.nf4, `${name}: an nf4 weight needs its layout`);
  if (lora) {
    invariant(lora.segments.length <= 3, `${name}: at most three LoRA segments`);
    for (const segment of lora.segments) fits("u", lora.u, segment.u + lora.rank);
  }
  invariant(!lora || !dropout || keys, `${name}: dropout needs keys`);
}

function checkGatedUnit(
  name: string,
  { y, bias, residual }: LinearArgs,
  { yColumn = 0, accumulate = false }: LinearOptions,
  { gateUp }: GatedUnit,
  outputs: number,
): void {
  expectShape(name, gateUp, [y.shape[0] ?? 0, 2 * outputs]);
  expectShape(name, y, gateUp.shape);
  invariant(
    !bias && !residual && !accumulate && yColumn === 0,
    `${name}: a gated unit takes the product alone`,
  );
}
