import { defaultDevice, init, numpy } from "@jax-js/jax";
import type { Gpu } from "../../gpu/device.ts";
import { linearNt } from "../../kernels/linear/linear_nt.ts";
import { profileFor } from "../../kernels/profile.ts";
import { Random } from "../../lib/random.ts";
import { contenderOf, type DeviceRates } from "./device_rates.ts";
import { type Contender, measureInTurns, type Timing } from "./measure.ts";
import { figure, milliseconds, percent, type Section } from "./section.ts";

const SIZES = [512, 1024, 2048];
/** On a CPU adapter the largest is left out where the one before says that it would take longer than this; seconds. */
const PATIENCE = 120;
/** Calls of each contender: one that compiles, one that warms up, the timed ones. */
const RUNS = 5;
const CALLS = RUNS + 2;

function randomSquare(n: number, seed: number): Float32Array<ArrayBuffer> {
  const random = new Random(seed);
  return Float32Array.from({ length: n * n }, () => random.uniform() - 0.5);
}

interface Multiplication {
  readonly contender: Contender;
  /** Seconds that compiling took before the first call. */
  readonly compile: number;
  dispose(): void;
}

/** y = x W' of n x n matrices with our linear_nt. */
async function ours(gpu: Gpu, n: number): Promise<Multiplication> {
  const [x, w, y] = ["x", "w", "y"].map((label) => gpu.tensor(`bench.${label}`, [n, n]));
  if (!x || !w || !y) throw new Error("a matrix is missing");
  gpu.upload(x, randomSquare(n, 1));
  gpu.upload(w, randomSquare(n, 2));
  const weight = { tensor: w, format: "f32", rows: n, cols: n, first: 0 } as const;
  const start = performance.now();
  const contender = await contenderOf(
    gpu,
    "gemm",
    (recorder) => {
      linearNt(recorder, profileFor(gpu.capabilities), { x, y, weight }, { rows: "N" });
    },
    n,
  );
  return {
    contender,
    compile: (performance.now() - start) / 1000,
    dispose: () => {
      for (const tensor of [x, w, y]) tensor.place?.buffer.destroy();
    },
  };
}

/** The same with jax-js, which is given its own layout: x W. */
function theirs(n: number): Multiplication {
  const x = numpy.array(randomSquare(n, 1)).reshape([n, n]);
  const w = numpy.array(randomSquare(n, 2)).reshape([n, n]);
  let results: numpy.Array[] = [];
  return {
    compile: 0,
    contender: {
      // Arrays count their references, and an operation uses one up.
      call: () => results.push(numpy.matmul(x.ref, w.ref)),
      settle: async () => {
        await Promise.all(results.map((result) => result.blockUntilReady()));
        for (const result of results) result.dispose();
        results = [];
      },
    },
    dispose: () => {
      x.dispose();
      w.dispose();
    },
  };
}

/** Matrix products of our linear_nt and of jax-js, in turns, against the adapter's own rate. */
export async function measureGemm(gpu: Gpu, rates: DeviceRates, cores: number): Promise<Section> {
  const hasJax = (await init("webgpu")).includes("webgpu");
  if (hasJax) defaultDevice("webgpu");
  const isCpu = gpu.capabilities.kind === "cpu";
  const rows: string[][] = [];
  const results: Record<string, unknown>[] = [];
  const notes = ["The first call includes compiling. Both in turns; jax-js multiplies x W, linear_nt x W'."];
  let slowest = 0;
  for (const n of SIZES) {
    if (isCpu && n === SIZES.at(-1) && 8 * slowest * CALLS > PATIENCE) {
      notes.push(`${n} was left out: it would take about ${figure(8 * slowest * CALLS)} s on this adapter.`);
      break;
    }
    const contenders = { linear_nt: await ours(gpu, n), ...(hasJax && { "jax-js": theirs(n) }) };
    const all = Object.values(contenders);
    const timings = await measureInTurns(
      all.map(({ contender }) => contender),
      { runs: RUNS, atLeast: 0.05 },
    );
    for (const { dispose } of all) dispose();
    const times = Object.entries(contenders).flatMap(([name, { compile }], i) => {
      const timing = timings[i];
      return timing ? [{ name, timing: { ...timing, first: timing.first + compile } }] : [];
    });
    rows.push(...times.map(({ name, timing }) => gemmRow(n, name, timing, rates, isCpu ? cores : 0)));
    results.push(
      ...times.map(({ name, timing }) => ({ n, name, gflops: gflops(n, timing.best), ...timing })),
    );
    slowest = timings.reduce((sum, { median }) => sum + median, 0);
  }
  const byCpu = isCpu ? [`by CPU time, ${cores} idle cores`] : [];
  return {
    title: "Matrix product, f32",
    header: ["n", "", "first", "best", "median", "GFLOP/s", "of the f32 rate", ...byCpu],
    rows,
    notes,
    data: { results },
  };
}

function gflops(n: number, seconds: number): number {
  return (2 * n ** 3) / seconds / 1e9;
}

function gemmRow(n: number, name: string, timing: Timing, rates: DeviceRates, cores: number): string[] {
  const { first, best, median, cpu } = timing;
  const rate = gflops(n, best);
  const idle = cores * gflops(n, cpu);
  return [
    ...[String(n), name, milliseconds(first), milliseconds(best), milliseconds(median), figure(rate)],
    percent(rate / rates.gflops),
    ...(cores > 0 ? [`${figure(idle)} (${percent(idle / rates.idleGflops)})`] : []),
  ];
}
