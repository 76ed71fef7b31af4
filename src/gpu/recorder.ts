import { invariant } from "../lib/errors.ts";
import type { Lifetime } from "./arena.ts";
import type { Consts, Kernel } from "./kernel.ts";
import type { StepValues } from "./step.ts";
import { numel, type Tensor } from "./tensor.ts";

/** Workgroups of a dispatch for the sizes of one execution. */
export type Grid = (step: StepValues) => readonly [x: number, y?: number, z?: number];

export interface Op {
  readonly kernel: Kernel;
  readonly tensors: Readonly<Record<string, Tensor>>;
  readonly params: Readonly<Record<string, number>>;
  readonly consts: Consts;
  readonly grid: Grid;
  /** Floating-point operations of one execution, for cutting submits by estimated time; 0 where it is negligible. */
  readonly flops: (step: StepValues) => number;
}

/** Settings of a dispatch beside its tensors and parameters. */
export interface DispatchOptions {
  readonly consts?: Consts;
  readonly flops?: (step: StepValues) => number;
}

/**
 * Collects the dispatches of one program, in order, without touching the device. Tensors from `alloc` live in the arena
 * from the first operation that names them to the last; `planPrograms` gives them their place.
 */
export class Recorder {
  readonly name: string;
  readonly ops: Op[] = [];
  readonly #allocated: Tensor[] = [];
  readonly #kept = new Set<Tensor>();

  constructor(name: string) {
    this.name = name;
  }

  /** A tensor of the arena. Its first dimension is the capacity of the axis that `Step` measures. */
  alloc(label: string, shape: readonly number[]): Tensor {
    const tensor: Tensor = { label, shape, bytes: 4 * numel(shape), inArena: true, place: undefined };
    this.#allocated.push(tensor);
    return tensor;
  }

  /** Keeps an arena tensor from the first operation to the last: something outside the program fills or reads it. */
  keep(tensor: Tensor): Tensor {
    invariant(tensor.inArena, `${tensor.label} is not in the arena`);
    this.#kept.add(tensor);
    return tensor;
  }

  run<Read extends string, Write extends string, Param extends string>(
    kernel: Kernel<Read, Write, Param>,
    tensors: Readonly<Record<NoInfer<Read | Write>, Tensor>>,
    params: Readonly<Record<NoInfer<Param>, number>>,
    grid: Grid,
    options: DispatchOptions = {},
  ): void {
    for (const name of kernel.reads) {
      invariant(
        !tensors[name].inArena,
        `${kernel.name}: ${name} (${tensors[name].label}) is bound read-only, so it must not be in the arena`,
      );
    }
    this.ops.push({
      kernel: kernel as unknown as Kernel,
      tensors,
      params,
      consts: options.consts ?? {},
      grid,
      flops: options.flops ?? (() => 0),
    });
  }

  lifetimes(): Lifetime[] {
    const spans = new Map<Tensor, { first: number; last: number }>();
    this.ops.forEach((op, i) => {
      for (const tensor of Object.values(op.tensors)) {
        const span = spans.get(tensor);
        if (span) span.last = i;
        else spans.set(tensor, { first: i, last: i });
      }
    });
    const end = this.ops.length;
    return this.#allocated.flatMap((tensor) => {
      if (this.#kept.has(tensor)) return [{ tensor, first: 0, last: end }];
      const span = spans.get(tensor);
      return span ? [{ tensor, ...span }] : [];
    });
  }
}

/** A grid of `groups(step)` workgroups along x, folded into y past the limit of 65,535. See `flat` in the shaders. */
export function flatGrid(groups: (step: StepValues) => number): Grid {
  return (step) => {
    const n = groups(step);
    return n <= 65535 ? [n] : [32768, Math.ceil(n / 32768)];
  };
}
