import type { Tensor } from "../gpu/tensor.ts";
import { tensorAt } from "../gpu/tensor.ts";
import { headDlogits } from "../kernels/head/head_dlogits.ts";
import { headFinish } from "../kernels/head/head_finish.ts";
import { headStats } from "../kernels/head/head_stats.ts";
import { linearBackwardW } from "../kernels/linear/linear_backward_w.ts";
import { linearNn } from "../kernels/linear/linear_nn.ts";
import { linearNt } from "../kernels/linear/linear_nt.ts";
import { type Weight, weightRows } from "../kernels/linear/weight.ts";
import type { ModelContext } from "./context.ts";

/**
 * The fused head: from hidden states to (logp, entropy, lse, mean_logp, argmax) per token and back, one range of the
 * vocabulary at a time, so that logits for all tokens and words never exist together.
 */

/** Words of the vocabulary in one range. A constant, so that sums have the same order in every run of a model. */
const CHUNK = 4096;

interface Chunk {
  readonly weight: Weight;
  readonly shard: number;
  /** First row within its shard. */
  readonly row: number;
  readonly firstColumn: number;
}

export interface HeadActs {
  /** (M, 4): logp, entropy, lse, mean_logp of the targets */
  readonly out: Tensor;
  /** (M) u32 */
  readonly argmax: Tensor;
  /** (M): log of the sum of the squared probabilities of all words */
  readonly logCollision: Tensor;
  /** The logits, when the vocabulary is a single range; else backward makes them again. */
  readonly logits: Tensor | undefined;
}

function chunksOf({ weights }: ModelContext): Chunk[] {
  return weights.head.flatMap(({ weight, firstRow }, shard) => {
    const chunks: Chunk[] = [];
    for (let row = 0; row < weight.rows; row += CHUNK) {
      const to = Math.min(weight.rows, row + CHUNK);
      chunks.push({ weight: weightRows(weight, row, to), shard, row, firstColumn: firstRow + row });
    }
    return chunks;
  });
}

/** hidden (M, C) is already normed. Temperature divides the logits, after the final softcap. */
export function headForward(context: ModelContext, hidden: Tensor, temperature: number): HeadActs {
  const { recorder, profile, spec, capacity, tables } = context;
  const { M } = capacity;
  const chunks = chunksOf(context);
  const state = recorder.alloc("head.state", [M, 8]);
  const shared = { softcap: spec.finalSoftcap, temperature, threads: profile.rowThreads };
  let logits: Tensor | undefined;
  chunks.forEach(({ weight, firstColumn }, i) => {
    const columns = weight.rows;
    const z = recorder.alloc("head.logits", [M, columns]);
    if (chunks.length === 1) logits = z;
    linearNt(recorder, profile, { x: hidden, y: z, weight }, { rows: "M" });
    const range = { columns, firstColumn, stride: columns, first: i === 0 };
    headStats(recorder, { z, state, targets: tables.targets }, { ...range, ...shared });
  });
  const out = recorder.alloc("head.out", [M, 4]);
  const argmax = recorder.alloc("head.argmax", [M]);
  const logCollision = recorder.alloc("head.log_collision", [M]);
  headFinish(recorder, { state, out, argmax, logCollision }, { vocab: spec.vocab });
  return { out, argmax, logCollision, logits };
}

/** d_hidden (M, C) = the gradient for upstream (M, 3): d_logp, d_entropy, d_mean_logp; and the head's own if it trains. */
export function headBackward(
  context: ModelContext,
  hidden: Tensor,
  { out, logits }: HeadActs,
  upstream: Tensor,
  temperature: number,
): Tensor {
  const { recorder, profile, spec, capacity, tables, weights, gradOf } = context;
  const dHidden = recorder.alloc("head.d_hidden", [capacity.M, spec.hidden]);
  chunksOf(context).forEach(({ weight, shard, row, firstColumn }, i) => {
    const columns = weight.rows;
    const z = logits ?? recorder.alloc("head.d_logits", [capacity.M, columns]);
    if (!logits) linearNt(recorder, profile, { x: hidden, y: z, weight }, { rows: "M" });
    const range = { columns, firstColumn, stride: columns, vocab: spec.vocab };
    headDlogits(
      recorder,
      { z, out, targets: tables.targets, upstream },
      { ...range, softcap: spec.finalSoftcap, temperature },
    );
    const shardWeight = weights.head[shard]?.weight;
    const dShard = shardWeight && gradOf(shardWeight.tensor);
    if (dShard?.place) {
      const place = { buffer: dShard.place.buffer, offset: dShard.place.offset + 4 * row * spec.hidden };
      const dw = tensorAt("head.d_weight", [columns, spec.hidden], place);
      linearBackwardW(recorder, profile, { x: hidden, dy: z, dw }, { rows: "M" });
    }
    linearNn(recorder, profile, { x: z, y: dHidden, weight }, { rows: "M", accumulate: i > 0 });
  });
  return dHidden;
}
