import { AppError } from "../lib/errors.ts";
import {
  type Capabilities,
  capabilitiesOf,
  largestTensor,
  WANTED,
  type WantedLimit,
} from "./capabilities.ts";
import { PipelineCache } from "./kernel.ts";
import { alignedBytes, numel, type Tensor, tensorAt } from "./tensor.ts";

/** Bytes that are read back at a time. */
const READ_SLICE = 4 * 2 ** 20;

export interface GpuOptions {
  /** Upper bounds on the limits that are asked for, for tests. */
  readonly limits?: Partial<Record<WantedLimit, number>>;
  /** Never ask for these features, for tests. */
  readonly withoutFeatures?: readonly GPUFeatureName[];
}

/** The one owner of a device: buffers, pipelines, errors and counts go through it. */
export class Gpu {
  readonly device: GPUDevice;
  readonly capabilities: Capabilities;
  readonly pipelines: PipelineCache;
  /** Nothing is allocated and nothing that is written is kept: what is costly to make need not be made. */
  readonly isDry: boolean;
  /** Running totals, so that a benchmark can show that a step creates nothing. */
  readonly counts = { buffers: 0, bytes: 0, peakBytes: 0, bindGroups: 0, submits: 0, dispatches: 0 };
  #failure: AppError | undefined;
  #onLost: ((error: AppError) => void) | undefined;
  #closing = false;
  /** Buffers since each call of `owned` that is running, the innermost last. */
  readonly #created: Set<GPUBuffer>[] = [];

  constructor(device: GPUDevice, capabilities: Capabilities, isDry = false) {
    this.device = device;
    this.isDry = isDry;
    this.capabilities = capabilities;
    this.pipelines = new PipelineCache(device);
    device.addEventListener("uncapturederror", (event) => {
      const { error } = event as GPUUncapturedErrorEvent;
      this.#failure ??= new AppError("gpu-error", `The GPU reported an error: ${error.message}`);
    });
    void device.lost.then(({ reason, message }) => {
      if (this.#closing) return;
      // After a loss every other error is a consequence of it.
      this.#failure = new AppError(
        "device-lost",
        `The GPU was reset by the system (${reason}). ${message}`.trim(),
        {
          details: { reason },
        },
      );
      this.#onLost?.(this.#failure);
    });
  }

  /** Throws the first error that the device reported outside any scope, or its loss. */
  check(): void {
    if (this.#failure) throw this.#failure;
  }

  /**
   * After something failed: throws the device's own error if there is one. A loss is announced a moment after the calls
   * that it broke, so it is waited for.
   */
  async explain(): Promise<void> {
    await Promise.race([this.device.lost, new Promise((resolve) => setTimeout(resolve, 100))]);
    this.check();
  }

  onLost(listener: (error: AppError) => void): void {
    this.#onLost = listener;
  }

  createBuffer(label: string, size: number, usage: GPUBufferUsageFlags): GPUBuffer {
    this.counts.buffers += 1;
    this.counts.bytes += size;
    this.counts.peakBytes = Math.max(this.counts.peakBytes, this.counts.bytes);
    const buffer = this.device.createBuffer({ label, size, usage });
    for (const created of this.#created) created.add(buffer);
    return buffer;
  }

  free(buffer: GPUBuffer): void {
    for (const created of this.#created) created.delete(buffer);
    this.counts.bytes -= buffer.size;
    buffer.destroy();
  }

  /**
   * Whether the device gives buffers of these sizes all at once. They are freed again, and are in no count. Throws
   * `gpu-out-of-memory`.
   */
  async probe(sizes: readonly number[]): Promise<void> {
    const { buffers, peakBytes } = this.counts;
    const made: GPUBuffer[] = [];
    try {
      await this.guarded("A try at the planned memory", () => {
        for (const size of sizes) made.push(this.createBuffer("probe", size, GPUBufferUsage.STORAGE));
      });
    } finally {
      for (const buffer of made) this.free(buffer);
      Object.assign(this.counts, { buffers, peakBytes });
    }
    await this.idle();
  }

  /**
   * Runs `allocate`, and gives with its value what frees every buffer that it made. Those are freed at once when it throws:
   * something smaller may be tried. Calls may lie within one another, but not overlap.
   */
  async owned<T>(allocate: () => T | Promise<T>): Promise<{ readonly value: T; free(): void }> {
    const created = new Set<GPUBuffer>();
    const free = () => {
      for (const buffer of [...created]) this.free(buffer);
      created.clear();
    };
    this.#created.push(created);
    try {
      return { value: await allocate(), free };
    } catch (error) {
      free();
      throw error;
    } finally {
      this.#created.splice(this.#created.indexOf(created), 1);
    }
  }

  /**
   * A tensor with a buffer of its own, zeroed. Labels are required: they are what a GPU error names.
   * Throws `gpu-out-of-memory` when it is larger than one binding may be.
   */
  tensor(label: string, shape: readonly number[]): Tensor {
    const size = Math.max(256, alignedBytes(4 * numel(shape)));
    const most = largestTensor(this.capabilities);
    if (size > most) {
      throw new AppError(
        "gpu-out-of-memory",
        `${label} needs ${size} bytes in one piece; this GPU allows ${most}.`,
        { details: { tensor: label, bytes: size, limit: most } },
      );
    }
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    return tensorAt(label, shape, { buffer: this.createBuffer(label, size, usage), offset: 0 });
  }

  /** Writes before everything that is submitted later. `byteOffset` is within the tensor. */
  upload(tensor: Tensor, data: Float32Array | Uint32Array | Int32Array | Uint8Array, byteOffset = 0): void {
    const { buffer, offset } = placeOf(tensor);
    this.device.queue.writeBuffer(
      buffer,
      offset + byteOffset,
      data.buffer as ArrayBuffer,
      data.byteOffset,
      data.byteLength,
    );
  }

  /**
   * Reads a tensor back, a slice at a time, waiting for all submitted work. For exports, checkpoints and tests; never in the
   * loop.
   */
  async read(tensor: Tensor, bytes = tensor.bytes, byteOffset = 0): Promise<ArrayBuffer> {
    const size = Math.ceil(bytes / 4) * 4;
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    const staging = this.createBuffer(`${tensor.label}.staging`, stagingBytes(bytes), usage);
    const result = new Uint8Array(bytes);
    try {
      for (let at = 0; at < size; at += READ_SLICE) {
        const encoder = this.device.createCommandEncoder();
        const { buffer, offset } = placeOf(tensor);
        const part = Math.min(size - at, READ_SLICE);
        encoder.copyBufferToBuffer(buffer, offset + byteOffset + at, staging, 0, part);
        this.device.queue.submit([encoder.finish()]);
        await staging.mapAsync(GPUMapMode.READ, 0, part);
        result.set(new Uint8Array(staging.getMappedRange(0, part), 0, Math.min(part, bytes - at)), at);
        staging.unmap();
      }
      return result.buffer;
    } catch (cause) {
      await this.explain();
      throw new AppError("gpu-error", `Could not read ${tensor.label} back from the GPU`, { cause });
    } finally {
      this.free(staging);
    }
  }

  async readFloats(tensor: Tensor): Promise<Float32Array<ArrayBuffer>> {
    return new Float32Array(await this.read(tensor));
  }

  /**
   * Runs `allocate` and turns an out-of-memory or validation error of the device into an AppError.
   * Throws `gpu-out-of-memory` or `gpu-error`.
   */
  async guarded<T>(what: string, allocate: () => T | Promise<T>): Promise<T> {
    this.device.pushErrorScope("validation");
    this.device.pushErrorScope("out-of-memory");
    const outcome = await settle(allocate);
    const memory = await this.device.popErrorScope();
    const validation = await this.device.popErrorScope();
    this.check();
    if (memory)
      throw new AppError("gpu-out-of-memory", `${what}: the GPU is out of memory. ${memory.message}`);
    if (validation) throw new AppError("gpu-error", `${what}: ${validation.message}`);
    if (!outcome.ok) throw outcome.error;
    return outcome.value;
  }

  async idle(): Promise<void> {
    await this.device.queue.onSubmittedWorkDone();
    this.check();
  }

  /** Frees everything that was allocated on the device. */
  close(): void {
    this.#closing = true;
    this.device.destroy();
  }
}

/** Runs to the end either way, so that error scopes are always popped. */
async function settle<T>(
  run: () => T | Promise<T>,
): Promise<{ ok: true; value: T } | { ok: false; error: unknown }> {
  try {
    return { ok: true, value: await run() };
  } catch (error) {
    return { ok: false, error };
  }
}

/** What reading so many bytes back takes on the device meanwhile. */
export function stagingBytes(bytes: number): number {
  return Math.min(READ_SLICE, Math.ceil(bytes / 4) * 4);
}

export function placeOf(tensor: Tensor) {
  if (!tensor.place) throw new Error(`${tensor.label} has no place yet: plan the recording first`);
  return tensor.place;
}

/** Throws `webgpu-unavailable` when there is no WebGPU or no adapter. */
export async function openGpu(options: GpuOptions = {}): Promise<Gpu> {
  const gpu = (globalThis.navigator as Partial<Navigator> | undefined)?.gpu;
  if (!gpu) {
    throw new AppError(
      "webgpu-unavailable",
      "This browser does not offer WebGPU here (navigator.gpu is missing).",
    );
  }
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) {
    throw new AppError("webgpu-unavailable", "WebGPU is there, but it found no usable GPU adapter.");
  }
  const names = Object.keys(WANTED) as WantedLimit[];
  const limits = Object.fromEntries(
    names.map((name) => [
      name,
      Math.min(adapter.limits[name], WANTED[name], options.limits?.[name] ?? Infinity),
    ]),
  ) as Record<WantedLimit, number>;
  const useful: GPUFeatureName[] = ["timestamp-query", "shader-f16", "subgroups"];
  const requiredFeatures = useful.filter(
    (feature) => adapter.features.has(feature) && !options.withoutFeatures?.includes(feature),
  );
  const device = await adapter.requestDevice({
    label: "aligntune",
    requiredLimits: limits,
    requiredFeatures,
  });
  return new Gpu(device, capabilitiesOf(adapter.info, limits, requiredFeatures));
}
