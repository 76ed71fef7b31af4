import { invariant } from "../lib/errors.ts";
import type { Gpu } from "./device.ts";
import { placeOf } from "./device.ts";
import type { Tensor } from "./tensor.ts";

interface Staging {
  readonly buffer: GPUBuffer;
  busy: boolean;
}

/**
 * Staging buffers for small results that are read a step or two later, so that the loop never waits on the GPU.
 * `copy` goes into the command buffer that computes the values; `read` resolves when they have arrived.
 */
export class ReadbackRing {
  readonly #gpu: Gpu;
  readonly #source: Tensor;
  readonly #ring: readonly Staging[];

  constructor(gpu: Gpu, source: Tensor, depth = 4) {
    this.#gpu = gpu;
    this.#source = source;
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    this.#ring = Array.from({ length: depth }, (_, i) => ({
      buffer: gpu.createBuffer(`${source.label}.readback.${i}`, source.bytes, usage),
      busy: false,
    }));
  }

  get depth(): number {
    return this.#ring.length;
  }

  /** The number of results that can still be in flight. */
  get free(): number {
    return this.#ring.filter((staging) => !staging.busy).length;
  }

  /** Encodes the copy; call `read` on the result after the submit. */
  copy(encoder: GPUCommandEncoder): { read(): Promise<ArrayBuffer> } {
    const staging = this.#ring.find((candidate) => !candidate.busy);
    invariant(staging, "every readback buffer is in flight: await an earlier result first");
    staging.busy = true;
    const { buffer, offset } = placeOf(this.#source);
    encoder.copyBufferToBuffer(buffer, offset, staging.buffer, 0, this.#source.bytes);
    return {
      read: async () => {
        try {
          await staging.buffer.mapAsync(GPUMapMode.READ);
          const data = staging.buffer.getMappedRange().slice(0);
          staging.buffer.unmap();
          return data;
        } catch (cause) {
          await this.#gpu.explain();
          throw cause;
        } finally {
          staging.busy = false;
        }
      },
    };
  }
}
