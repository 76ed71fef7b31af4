import { invariant } from "../lib/errors.ts";
import { Arena, layOut, sharedSizes } from "./arena.ts";
import { type Gpu, placeOf } from "./device.ts";
import { variantKey } from "./kernel.ts";
import type { Op, Recorder } from "./recorder.ts";
import { encodeScalars, STEP_BYTES, STEP_FIELDS, type StepValues } from "./step.ts";
import { alignedBytes, type Tensor } from "./tensor.ts";

interface Dispatch {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly op: Op;
}

/** Milliseconds of estimated work after which a command buffer is submitted, so that the display is not starved. */
const SUBMIT_MS = 80;
const ASSUMED_GFLOPS = { gpu: 1000, cpu: 4 } as const;

/** A recorded program: executing it encodes the same dispatches again, and creates nothing on the device. */
export class Program {
  readonly name: string;
  readonly #gpu: Gpu;
  readonly #dispatches: readonly Dispatch[];
  readonly #stepBuffer: GPUBuffer;

  constructor(name: string, gpu: Gpu, dispatches: readonly Dispatch[], stepBuffer: GPUBuffer) {
    this.name = name;
    this.#gpu = gpu;
    this.#dispatches = dispatches;
    this.#stepBuffer = stepBuffer;
  }

  get dispatchCount(): number {
    return this.#dispatches.length;
  }

  get ops(): readonly Op[] {
    return this.#dispatches.map((dispatch) => dispatch.op);
  }

  /**
   * Submits one execution. `finish` may add copies to the last command buffer, after all dispatches (metrics readback).
   * Command buffers are cut where the estimated work passes 80 ms.
   */
  execute(step: StepValues, finish?: (encoder: GPUCommandEncoder) => void): void {
    const { device, counts, capabilities } = this.#gpu;
    device.queue.writeBuffer(this.#stepBuffer, 0, encodeScalars(STEP_FIELDS, step));
    const flopsPerSubmit = ASSUMED_GFLOPS[capabilities.kind] * 1e6 * SUBMIT_MS;
    let encoder = device.createCommandEncoder({ label: this.name });
    let pass = encoder.beginComputePass({ label: this.name });
    let flops = 0;
    for (const { pipeline, bindGroup, op } of this.#dispatches) {
      const [x, y = 1, z = 1] = op.grid(step);
      if (x === 0 || y === 0 || z === 0) continue;
      if (flops > flopsPerSubmit) {
        pass.end();
        device.queue.submit([encoder.finish()]);
        counts.submits += 1;
        flops = 0;
        encoder = device.createCommandEncoder({ label: this.name });
        pass = encoder.beginComputePass({ label: this.name });
      }
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(x, y, z);
      counts.dispatches += 1;
      flops += op.flops(step);
    }
    pass.end();
    finish?.(encoder);
    device.queue.submit([encoder.finish()]);
    counts.submits += 1;
  }

  /** Executes with one timestamped pass per dispatch. Returns nanoseconds by kernel variant; slow, for profiling only. */
  async profile(
    step: StepValues,
  ): Promise<ReadonlyMap<string, { ns: number; count: number; flops: number }>> {
    const { device } = this.#gpu;
    invariant(device.features.has("timestamp-query"), "profiling needs the timestamp-query feature");
    device.queue.writeBuffer(this.#stepBuffer, 0, encodeScalars(STEP_FIELDS, step));
    const totals = new Map<string, { ns: number; count: number; flops: number }>();
    const live = this.#dispatches.filter(({ op }) => op.grid(step).every((n) => n !== 0));
    for (let start = 0; start < live.length; start += 512) {
      await this.#profileSlice(live.slice(start, start + 512), step, totals);
    }
    return totals;
  }

  async #profileSlice(
    dispatches: readonly Dispatch[],
    step: StepValues,
    totals: Map<string, { ns: number; count: number; flops: number }>,
  ): Promise<void> {
    const { device } = this.#gpu;
    const querySet = device.createQuerySet({ type: "timestamp", count: 2 * dispatches.length });
    const bytes = 16 * dispatches.length;
    const resolved = device.createBuffer({
      size: bytes,
      usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    });
    const staging = device.createBuffer({
      size: bytes,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    const encoder = device.createCommandEncoder({ label: `${this.name}.profile` });
    dispatches.forEach(({ pipeline, bindGroup, op }, i) => {
      const pass = encoder.beginComputePass({
        timestampWrites: { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 },
      });
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(...op.grid(step));
      pass.end();
    });
    encoder.resolveQuerySet(querySet, 0, 2 * dispatches.length, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, bytes);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    const times = new BigInt64Array(staging.getMappedRange());
    dispatches.forEach(({ op }, i) => {
      const key = variantKey(op.kernel, op.consts);
      const total = totals.get(key) ?? { ns: 0, count: 0, flops: 0 };
      total.ns += Number((times[2 * i + 1] ?? 0n) - (times[2 * i] ?? 0n));
      total.count += 1;
      total.flops += op.flops(step);
      totals.set(key, total);
    });
    staging.destroy();
    resolved.destroy();
    querySet.destroy();
  }
}

/**
 * The bytes that recordings need in the arena when they share it, chunk by chunk, before anything is allocated. `of` leaves
 * tensors out, to see what they take.
 */
export function arenaBytes(
  gpu: Pick<Gpu, "capabilities">,
  recorders: readonly Recorder[],
  of: (tensor: Tensor) => boolean = () => true,
): readonly number[] {
  return sharedSizes(...recorders.map((recorder) => layOutFor(gpu, recorder, of).chunks));
}

/** All bytes that planPrograms would allocate for these recordings beside the arena, buffer by buffer. */
export function programBytes(recorders: readonly Recorder[]): readonly number[] {
  return [STEP_BYTES, layOutParams(recorders).bytes];
}

function layOutFor(
  gpu: Pick<Gpu, "capabilities">,
  recorder: Recorder,
  of: (tensor: Tensor) => boolean = () => true,
) {
  const { maxBufferSize, maxStorageBufferBindingSize } = gpu.capabilities.limits;
  const lifetimes = recorder.lifetimes().filter(({ tensor }) => of(tensor));
  return layOut(lifetimes, Math.min(maxBufferSize, 2 ** 30), maxStorageBufferBindingSize);
}

/**
 * Plans recordings that never run at the same time: one arena for all, sized for the largest; all pipelines compiled;
 * all parameters uploaded; all bind groups made. Throws `gpu-out-of-memory`, `shader-invalid`.
 */
export async function planPrograms(
  gpu: Gpu,
  recorders: readonly Recorder[],
  arena: Arena = new Arena(gpu),
): Promise<readonly Program[]> {
  const sizes = arenaBytes(gpu, recorders);
  const stepBuffer = gpu.createBuffer("step", STEP_BYTES, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
  const chunks = await gpu.guarded("Scratch memory", () => arena.take(sizes));
  for (const recorder of recorders) {
    for (const { tensor, chunk, offset } of layOutFor(gpu, recorder).slots) {
      tensor.place = { buffer: chunks[chunk] as GPUBuffer, offset };
    }
  }
  const params = uploadParams(gpu, recorders);
  return Promise.all(
    recorders.map(async (recorder) => {
      const dispatches = await Promise.all(recorder.ops.map((op) => bind(gpu, op, params, stepBuffer)));
      return new Program(recorder.name, gpu, dispatches, stepBuffer);
    }),
  );
}

interface ParamPlaces {
  readonly buffer: GPUBuffer;
  readonly offsets: ReadonlyMap<Op, { offset: number; size: number }>;
}

/** All `Params` of all dispatches, one after the other; equal contents share one place. */
function layOutParams(recorders: readonly Recorder[]) {
  const places = new Map<string, { offset: number; bytes: Uint8Array<ArrayBuffer> }>();
  const offsets = new Map<Op, { offset: number; size: number }>();
  let end = 0;
  for (const op of recorders.flatMap((recorder) => recorder.ops)) {
    if (Object.keys(op.kernel.params).length === 0) continue;
    const bytes = encodeScalars(op.kernel.params, op.params);
    const key = bytes.join(",");
    let place = places.get(key);
    if (!place) {
      place = { offset: end, bytes };
      places.set(key, place);
      end += alignedBytes(bytes.length);
    }
    offsets.set(op, { offset: place.offset, size: bytes.length });
  }
  return { places, offsets, bytes: Math.max(256, end) };
}

function uploadParams(gpu: Gpu, recorders: readonly Recorder[]): ParamPlaces {
  const { places, offsets, bytes: size } = layOutParams(recorders);
  const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
  const buffer = gpu.createBuffer("params", size, usage);
  const all = new Uint8Array(size);
  for (const { offset, bytes } of places.values()) all.set(bytes, offset);
  gpu.device.queue.writeBuffer(buffer, 0, all);
  return { buffer, offsets };
}

async function bind(gpu: Gpu, op: Op, params: ParamPlaces, stepBuffer: GPUBuffer): Promise<Dispatch> {
  const { kernel } = op;
  const { pipeline, layout } = await gpu.pipelines.compile(kernel, op.consts);
  const resources: GPUBufferBinding[] = [...kernel.reads, ...kernel.writes].map((name) => {
    const tensor = op.tensors[name];
    invariant(tensor, `${kernel.name}: no tensor for ${name}`);
    const { buffer, offset } = placeOf(tensor);
    return { buffer, offset, size: Math.max(4, Math.ceil(tensor.bytes / 4) * 4) };
  });
  const place = params.offsets.get(op);
  if (place) resources.push({ buffer: params.buffer, ...place });
  if (kernel.step) resources.push({ buffer: stepBuffer });
  gpu.counts.bindGroups += 1;
  const bindGroup = gpu.device.createBindGroup({
    label: variantKey(kernel, op.consts),
    layout,
    entries: resources.map((resource, binding) => ({ binding, resource })),
  });
  return { pipeline, bindGroup, op };
}
