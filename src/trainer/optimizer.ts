import { largestTensor } from "../gpu/capabilities.ts";
import type { Gpu } from "../gpu/device.ts";
import type { Recorder } from "../gpu/recorder.ts";
import { alignedBytes, numel, type Tensor } from "../gpu/tensor.ts";
import { adamw } from "../kernels/optim/adamw.ts";
import { adamw8bit, adamw8bitPlan, type ParameterRange } from "../kernels/optim/adamw_8bit.ts";
import { dynamicMaps } from "../kernels/optim/dynamic_map.ts";
import { gradNorm, gradNormPartials } from "../kernels/optim/grad_norm.ts";
import { gradNormFinish } from "../kernels/optim/grad_norm_finish.ts";
import type { KernelProfile } from "../kernels/profile.ts";
import type { ParamPool, PoolShard } from "../model/param_pool.ts";

export interface OptimizerSettings {
  readonly kind: "adamw" | "adamw_8bit";
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  /** 0 turns clipping off. */
  readonly maxGradNorm: number;
}

/** An optimizer with its memory beside the pool. */
export interface Optimizer {
  /** What a checkpoint keeps, by name. */
  readonly tensors: readonly (readonly [name: string, tensor: Tensor])[];
  /** Records the update of every shard; `state` is grad_norm_finish's. Clears the gradients. */
  recordUpdate(recorder: Recorder, state: Tensor, profile: KernelProfile): void;
}

export function createOptimizer(gpu: Gpu, pool: ParamPool, settings: OptimizerSettings): Optimizer {
  return settings.kind === "adamw_8bit" ? create8bit(gpu, pool, settings) : createAdamw(gpu, pool, settings);
}

/** AdamW with f32 moments. arXiv:1711.05101, as torch computes it. */
function createAdamw(gpu: Gpu, pool: ParamPool, settings: OptimizerSettings): Optimizer {
  const { beta1, beta2, epsilon: eps, weightDecay: weight_decay } = settings;
  const moments = pool.shards.map(({ count }, i) => ({
    m: gpu.tensor(`m.${i}`, [count]),
    v: gpu.tensor(`v.${i}`, [count]),
  }));
  return {
    tensors: moments.flatMap(({ m, v }) => [[m.label, m] as const, [v.label, v] as const]),
    recordUpdate(recorder, state) {
      pool.shards.forEach(({ params, grads, count, decayEnd }, i) => {
        const own = moments[i];
        if (!own) return;
        adamw(
          recorder,
          { params, grads, ...own, state },
          { count, decayEnd, beta1, beta2, eps, weight_decay },
        );
      });
    },
  };
}

/** AdamW with moments in 8 bits by blocks. arXiv:2110.02861; tensors below 4096 elements keep f32 moments. */
function create8bit(gpu: Gpu, pool: ParamPool, settings: OptimizerSettings): Optimizer {
  const { beta1, beta2, epsilon: eps, weightDecay: weight_decay } = settings;
  const maps = gpu.tensor("dynamicMaps", [512]);
  gpu.upload(maps, dynamicMaps());
  const most = largestTensor(gpu.capabilities);
  const shards = pool.shards.flatMap((shard, i) =>
    momentParts(rangesOf(shard), most).map((ranges, part) => {
      const name = part === 0 ? String(i) : `${i}.${part}`;
      const plan = adamw8bitPlan(ranges);
      const blocks = gpu.tensor(`blocks.${name}`, [plan.blocks.length / 4, 4]);
      gpu.upload(blocks, plan.blocks);
      return { shard, blocks, moments: gpu.tensor(`moments.${name}`, [plan.words]) };
    }),
  );
  return {
    tensors: shards.map(({ moments }) => [moments.label, moments] as const),
    recordUpdate(recorder, state, { rowThreads: threads }) {
      for (const { shard, blocks, moments } of shards) {
        const { params, grads } = shard;
        adamw8bit(
          recorder,
          { params, grads, moments, state, blocks, maps },
          { beta1, beta2, eps, weight_decay, threads },
        );
      }
    },
  };
}

/** Small tensors keep two f32 for each of theirs, so that a shard of them alone may have more moments than a buffer holds. */
function momentParts(ranges: readonly ParameterRange[], most: number): ParameterRange[][] {
  const parts: { ranges: ParameterRange[]; words: number }[] = [];
  for (const range of ranges) {
    const { words } = adamw8bitPlan([range]);
    const last = parts.at(-1);
    if (last && alignedBytes(4 * (last.words + words)) <= most) {
      last.ranges.push(range);
      last.words += words;
    } else parts.push({ ranges: [range], words });
  }
  return parts.map((part) => part.ranges);
}

/** The tensors of the file in a shard: blocks of 8-bit moments never cross from one to the next. */
function rangesOf(shard: PoolShard): ParameterRange[] {
  return shard.entries.flatMap(({ offset, decay, names }) =>
    names.map(({ first, shape }) => ({ offset: offset + first, count: numel(shape), decay })),
  );
}

/**
 * Records one optimizer step: the norm of all gradients, the decision whether they and the losses are finite, and the
 * update, which clears the gradients. `metrics` are the slots of the step's micro-batches.
 */
export function recordUpdate(
  recorder: Recorder,
  pool: ParamPool,
  optimizer: Optimizer,
  { state, metrics }: Readonly<Record<"state" | "metrics", Tensor>>,
  settings: OptimizerSettings,
  profile: KernelProfile,
): void {
  const { beta1, beta2, maxGradNorm: max_norm } = settings;
  const threads = profile.rowThreads;
  const counts = pool.shards.map((shard) => gradNormPartials(shard.count));
  const total = counts.reduce((a, b) => a + b, 0);
  const partials = recorder.alloc("gradNorm.partials", [total]);
  let first = 0;
  pool.shards.forEach(({ grads, count }, i) => {
    gradNorm(recorder, { grads, partials }, { count, first, threads });
    first += counts[i] ?? 0;
  });
  gradNormFinish(recorder, { partials, metrics, state }, { count: total, max_norm, beta1, beta2, threads });
  optimizer.recordUpdate(recorder, state, profile);
}
