import type { Gpu } from "../gpu/device.ts";
import { placeOf } from "../gpu/device.ts";
import type { Tensor } from "../gpu/tensor.ts";

/** Closes the gaps that finished sequences leave in tensors with one row a sequence, by copies on the GPU. */
export class RowMover {
  readonly #gpu: Gpu;
  readonly #tensors: readonly { readonly tensor: Tensor; readonly copy: Tensor }[];

  /** A buffer may not be copied onto itself, so each tensor gets a second one to move through. */
  constructor(gpu: Gpu, tensors: readonly Tensor[]) {
    this.#gpu = gpu;
    this.#tensors = tensors.map((tensor) => ({
      tensor,
      copy: gpu.tensor(`${tensor.label}.moved`, tensor.shape),
    }));
  }

  /** Row i of every tensor becomes what row `from[i]` was; `from` is ascending. */
  move(from: readonly number[]): void {
    const first = from.findIndex((row, i) => row !== i);
    if (first < 0) return;
    const encoder = this.#gpu.device.createCommandEncoder({ label: "retire" });
    for (const { tensor, copy } of this.#tensors) {
      const stride = tensor.bytes / (tensor.shape[0] ?? 1);
      const source = placeOf(tensor);
      const target = placeOf(copy);
      encoder.copyBufferToBuffer(source.buffer, source.offset, target.buffer, target.offset, tensor.bytes);
      for (let i = first; i < from.length; i++) {
        const at = target.offset + (from[i] ?? 0) * stride;
        encoder.copyBufferToBuffer(target.buffer, at, source.buffer, source.offset + i * stride, stride);
      }
    }
    this.#gpu.device.queue.submit([encoder.finish()]);
    this.#gpu.counts.submits += 1;
  }
}
