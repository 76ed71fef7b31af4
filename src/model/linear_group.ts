import type { Tensor } from "../gpu/tensor.ts";
import { biasBackward } from "../kernels/linear/bias_backward.ts";
import type { GatedUnit } from "../kernels/linear/linear.ts";
import { linearBackwardW } from "../kernels/linear/linear_backward_w.ts";
import { linearNn } from "../kernels/linear/linear_nn.ts";
import { linearNt } from "../kernels/linear/linear_nt.ts";
import type { LoraTerm } from "../kernels/linear/weight.ts";
import { loraBackwardAb } from "../kernels/lora/lora_backward_ab.ts";
import { loraBackwardU } from "../kernels/lora/lora_backward_u.ts";
import { loraU } from "../kernels/lora/lora_u.ts";
import { invariant } from "../lib/errors.ts";
import type { ModelContext } from "./context.ts";
import type { LoraGroup } from "./lora.ts";
import type { GroupWeights } from "./weights.ts";

/** u = x A' of the group's adapters, which backward needs; undefined without an adapter. */
export type GroupActs = Tensor | undefined;

function dropoutOf({ noisy, adapter }: ModelContext, lora: LoraGroup) {
  const rate = adapter?.settings.dropout ?? 0;
  return noisy && rate > 0 ? { rate, tag: lora.tag } : undefined;
}

/**
 * y = x W' + b + s (drop(x) A') B' (+ residual) for linear layers that share x. x (N, in), y (N, out).
 * One dispatch for u and one for each part.
 */
export function groupForward(
  context: ModelContext,
  { x, y, residual }: { readonly x: Tensor; readonly y: Tensor; readonly residual?: Tensor },
  group: GroupWeights,
  lora: LoraGroup | undefined,
): GroupActs {
  const { recorder, profile, spec, tables } = context;
  let term: LoraTerm | undefined;
  if (lora) {
    const { rank, scale, segments } = lora;
    const u = recorder.alloc(`${lora.label}.u`, [context.capacity.N, segments.length * rank]);
    const dropout = dropoutOf(context, lora);
    loraU(recorder, profile, { x, u, a: lora.a, keys: tables.keys }, { rows: "N", rank, dropout });
    term = { u, matrix: lora.b, columnStride: rank, rankStride: 1, rank, scale, segments };
  }
  const linear = spec.conv1d ? linearNn : linearNt;
  for (const { weight, column, bias } of group.parts) {
    linear(
      recorder,
      profile,
      { x, y, weight, ...(bias && { bias }), ...(residual && { residual }), ...(term && { lora: term }) },
      { rows: "N", yColumn: column },
    );
  }
  return term?.u;
}

export interface GroupGradients {
  readonly x: Tensor;
  readonly dy: Tensor;
  /** Undefined where nothing below trains. */
  readonly dx: Tensor | undefined;
  /** The gated unit that made x: dx is then the gradient of its gate and up. */
  readonly glu?: GatedUnit;
}

/** groupForward's gradient: adapters' A and B, weights and biases where they train, and dx = dy W + s (dy B) A. */
export function groupBackward(
  context: ModelContext,
  { x, dy, dx, glu }: GroupGradients,
  group: GroupWeights,
  lora: LoraGroup | undefined,
  u: GroupActs,
): void {
  const { recorder, profile, spec, tables, gradOf } = context;
  let term: LoraTerm | undefined;
  let dropout: ReturnType<typeof dropoutOf>;
  if (lora) {
    invariant(u, `${lora.label}: forward kept no u`);
    const { rank, scale, segments, a, b } = lora;
    const du = recorder.alloc(`${lora.label}.du`, u.shape);
    dropout = dropoutOf(context, lora);
    loraBackwardU(recorder, profile, { dy, du, b }, { rank, scale, segments, rows: "N" });
    const da = gradOf(a);
    const db = gradOf(b);
    if (da && db) {
      const options = { rank, scale, segments, rows: "N", dropout } as const;
      loraBackwardAb(recorder, profile, { x, dy, u, du, da, db, keys: tables.keys }, options);
    }
    const width = segments.length * rank;
    const whole = [{ begin: 0, end: group.inputs, u: 0, row: 0 }];
    term = {
      ...{ u: du, matrix: a, columnStride: 1, rankStride: group.inputs, rank: width, scale: 1 },
      ...{ segments: whole, ranksPerSegment: rank },
    };
  }
  for (const { weight, bias, column } of group.parts) {
    const dw = gradOf(weight.tensor);
    if (dw && spec.conv1d)
      linearBackwardW(recorder, profile, { x: dy, dy: x, dw }, { rows: "N", xColumn: column });
    else if (dw) linearBackwardW(recorder, profile, { x, dy, dw }, { rows: "N", dyColumn: column });
    const db = bias && gradOf(bias);
    if (db) biasBackward(recorder, profile, { dy, db }, { rows: "N", dyColumn: column });
  }
  if (dx) inputBackward(context, { dy, dx, ...(glu && { glu }), term, dropout }, group);
}

/** dx = dy W and the adapters' term, or what that gives behind a gated unit. */
function inputBackward(
  { recorder, profile, spec, tables }: ModelContext,
  {
    dy,
    dx,
    glu,
    term,
    dropout,
  }: {
    readonly dy: Tensor;
    readonly dx: Tensor;
    readonly glu?: GatedUnit;
    readonly term: LoraTerm | undefined;
    readonly dropout: ReturnType<typeof dropoutOf>;
  },
  { parts }: GroupWeights,
): void {
  invariant(!glu || (!spec.conv1d && parts.length === 1), "behind a gated unit stands one linear_nn");
  const linear = spec.conv1d ? linearNt : linearNn;
  parts.forEach(({ weight, column }, i) => {
    const extra = i === 0 && term ? { lora: term, keys: tables.keys } : {};
    const options = { rows: "N", xColumn: column, accumulate: i > 0 } as const;
    const masked = i === 0 && dropout ? { dropout } : {};
    const args = { x: dy, y: dx, weight, ...extra, ...(glu && { glu }) };
    linear(recorder, profile, args, { ...options, ...masked });
  });
}
