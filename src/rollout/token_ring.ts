import type { Gpu } from "../gpu/device.ts";
import { placeOf } from "../gpu/device.ts";
import { alignedBytes, type Tensor } from "../gpu/tensor.ts";
import { invariant } from "../lib/errors.ts";

interface Staging {
  readonly buffer: GPUBuffer;
  busy: boolean;
}

/** What some consecutive decoding steps chose, step by step, for as many rows as the tensors have. */
export interface ChosenTokens {
  id(step: number, row: number): number;
  logp(step: number, row: number): number;
  sampledLogp(step: number, row: number): number;
}

/** A few steps whose tokens are on their way to the host. */
export interface TokenChunk {
  /** Adds the copies of step `index` of this chunk to the command buffer that computes it. */
  copy(encoder: GPUCommandEncoder, index: number): void;
  /** Resolves when the tokens have arrived. Call it after the last submit. */
  read(): Promise<ChosenTokens>;
}

/** Staging buffers for the tokens of several steps each, so that generation never waits for the step just submitted. */
export class TokenRing {
  readonly #gpu: Gpu;
  readonly #tokens: Tensor;
  readonly #logps: Tensor;
  readonly #ring: readonly Staging[];

  /** tokens (rows) u32 and logps (rows, 2) are overwritten by every step. */
  constructor(gpu: Gpu, tokens: Tensor, logps: Tensor, steps: number, depth: number) {
    this.#gpu = gpu;
    this.#tokens = tokens;
    this.#logps = logps;
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    const size = steps * alignedBytes(tokens.bytes + logps.bytes);
    this.#ring = Array.from({ length: depth }, (_, i) => ({
      buffer: gpu.createBuffer(`tokens.readback.${i}`, size, usage),
      busy: false,
    }));
  }

  begin(): TokenChunk {
    const staging = this.#ring.find((candidate) => !candidate.busy);
    invariant(staging, "every token buffer is in flight: await an earlier chunk first");
    staging.busy = true;
    const tokens = placeOf(this.#tokens);
    const logps = placeOf(this.#logps);
    const idBytes = this.#tokens.bytes;
    const logpBytes = this.#logps.bytes;
    const stride = alignedBytes(idBytes + logpBytes);
    return {
      copy: (encoder, index) => {
        const at = index * stride;
        encoder.copyBufferToBuffer(tokens.buffer, tokens.offset, staging.buffer, at, idBytes);
        encoder.copyBufferToBuffer(logps.buffer, logps.offset, staging.buffer, at + idBytes, logpBytes);
      },
      read: async () => {
        const data = await this.#map(staging);
        const ids = new Uint32Array(data);
        const floats = new Float32Array(data);
        const logpAt = (step: number, row: number) => (step * stride + idBytes) / 4 + 2 * row;
        return {
          id: (step, row) => ids[(step * stride) / 4 + row] ?? 0,
          logp: (step, row) => floats[logpAt(step, row)] ?? Number.NaN,
          sampledLogp: (step, row) => floats[logpAt(step, row) + 1] ?? Number.NaN,
        };
      },
    };
  }

  async #map(staging: Staging): Promise<ArrayBuffer> {
    try {
      await staging.buffer.mapAsync(GPUMapMode.READ);
      const data = staging.buffer.getMappedRange().slice(0);
      staging.buffer.unmap();
      return data;
    } catch (cause) {
      this.#gpu.check();
      throw cause;
    } finally {
      staging.busy = false;
    }
  }
}
