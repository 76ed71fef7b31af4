import { AppError } from "../lib/errors.ts";

/** Where a tensor's bytes are. Offsets are multiples of 256, the default binding alignment. */
export interface Place {
  readonly buffer: GPUBuffer;
  readonly offset: number;
}

/**
 * A row-major array of 4-byte elements on the GPU. Tensors of the arena get their place when the recording is planned;
 * all others have one from the start. The first dimension of an activation is the capacity: `Step` says how much is used.
 */
export interface Tensor {
  readonly label: string;
  readonly shape: readonly number[];
  readonly bytes: number;
  /** True for memory that the plan assigns; such tensors may only be bound for reading and writing. */
  readonly inArena: boolean;
  place: Place | undefined;
}

export function numel(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

/** The size in bytes that a tensor takes up in an arena or a pool: 4 an element, rounded up to the binding alignment. */
export function alignedBytes(bytes: number): number {
  return Math.ceil(bytes / 256) * 256;
}

/** A tensor over bytes that already exist, for example one parameter of a pool. */
export function tensorAt(label: string, shape: readonly number[], place: Place): Tensor {
  return { label, shape, bytes: 4 * numel(shape), inArena: false, place };
}

/** Throws `shape-mismatch` naming the kernel, the argument, and both shapes. */
export function expectShape(kernel: string, tensor: Tensor, shape: readonly number[]): void {
  const same = tensor.shape.length === shape.length && tensor.shape.every((n, i) => n === shape[i]);
  if (same) return;
  throw new AppError(
    "shape-mismatch",
    `${kernel}: ${tensor.label} must be (${shape.join(", ")}), got (${tensor.shape.join(", ")})`,
    { details: { kernel, tensor: tensor.label, expected: [...shape], actual: [...tensor.shape] } },
  );
}
