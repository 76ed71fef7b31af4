import { type Gpu, openGpu } from "../src/gpu/device.ts";
import { type Program, planPrograms } from "../src/gpu/program.ts";
import { Recorder } from "../src/gpu/recorder.ts";
import { type StepValues, ZERO_STEP } from "../src/gpu/step.ts";
import type { Tensor } from "../src/gpu/tensor.ts";
import { unit } from "../src/lib/random.ts";

let opened: Promise<Gpu> | undefined;

/** One device for the whole test file. Any error that the device reports fails the next read. */
export function testDevice(): Promise<Gpu> {
  opened ??= openGpu();
  return opened;
}

export interface TestGpu {
  readonly gpu: Gpu;
  /** A tensor with a buffer of its own; integers must be given as Uint32Array. */
  tensor(label: string, shape: readonly number[], values?: ArrayLike<number> | Uint32Array): Tensor;
  /** Records `body`, plans it, executes it once with the given step, and returns the program. */
  run(body: (recorder: Recorder) => void, step?: Partial<StepValues>): Promise<Program>;
  read(tensor: Tensor): Promise<Float32Array>;
  readUints(tensor: Tensor): Promise<Uint32Array>;
}

export async function testGpu(): Promise<TestGpu> {
  const gpu = await testDevice();
  return {
    gpu,
    tensor(label, shape, values) {
      const tensor = gpu.tensor(label, shape);
      if (values) gpu.upload(tensor, values instanceof Uint32Array ? values : Float32Array.from(values));
      return tensor;
    },
    async run(body, step = {}) {
      const recorder = new Recorder("test");
      body(recorder);
      const [program] = await gpu.guarded("test", () => planPrograms(gpu, [recorder]));
      if (!program) throw new Error("nothing was planned");
      await gpu.guarded("test", () => program.execute({ ...ZERO_STEP, ...step }));
      return program;
    },
    read: (tensor) => gpu.readFloats(tensor),
    readUints: async (tensor) => new Uint32Array(await gpu.read(tensor)),
  };
}

/** Deterministic uniform numbers in [lo, hi): xorshift32, so a failing case is the same on every machine. */
export function uniforms(seed: number, n: number, lo = -1, hi = 1): number[] {
  let s = seed >>> 0 || 1;
  return Array.from({ length: n }, () => {
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    return Math.fround(lo + unit(s >>> 0) * (hi - lo));
  });
}

/** The largest |actual - expected| / max(1, |expected|): one number to assert on, and to read in a failure. */
export function maxError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let worst = actual.length === expected.length ? 0 : Number.POSITIVE_INFINITY;
  for (let i = 0; i < expected.length; i++) {
    const e = expected[i] ?? Number.NaN;
    const error = Math.abs((actual[i] ?? Number.NaN) - e) / Math.max(1, Math.abs(e));
    worst = Math.max(worst, error); // NaN wins, and fails any toBeLessThan
  }
  return worst;
}

/** norm(actual - expected) / norm(expected): the error of a tensor whose elements differ in size. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let difference = 0;
  let size = 0;
  for (let i = 0; i < expected.length; i++) {
    const e = expected[i] ?? Number.NaN;
    difference += ((actual[i] ?? Number.NaN) - e) ** 2;
    size += e ** 2;
  }
  return size < 1e-12 ? Math.sqrt(difference) : Math.sqrt(difference / size);
}
