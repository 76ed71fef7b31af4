import type { Gpu } from "../../gpu/device.ts";
import { planPrograms } from "../../gpu/program.ts";
import { Recorder } from "../../gpu/recorder.ts";
import { ZERO_STEP } from "../../gpu/step.ts";
import { copyRate } from "../../kernels/bench/copy_rate.ts";
import { FMA_FLOPS_PER_ROUND, fmaRate } from "../../kernels/bench/fma_rate.ts";
import { type Contender, measureInTurns } from "./measure.ts";
import { figure, milliseconds, type Section } from "./section.ts";

/** What the adapter can do at most, as measured. */
export interface DeviceRates {
  /** f32 GFLOP/s of multiply-adds in registers. */
  readonly gflops: number;
  /** The same for each second of CPU time, times the cores that are there: what an idle machine would give. */
  readonly idleGflops: number;
  /** GB/s read and written by a copy. */
  readonly gigabytes: number;
}

/** A recording as a contender, executed for `rows` rows. */
export async function contenderOf(
  gpu: Gpu,
  name: string,
  record: (recorder: Recorder) => void,
  rows = 1,
): Promise<Contender> {
  const recorder = new Recorder(name);
  record(recorder);
  const [program] = await planPrograms(gpu, [recorder]);
  if (!program) throw new Error(`${name} was not planned`);
  return { call: () => program.execute({ ...ZERO_STEP, N: rows }), settle: () => gpu.idle() };
}

/** The rate of multiply-adds in registers and of a copy that no cache holds. */
export async function measureDevice(
  gpu: Gpu,
  cores: number,
): Promise<{ rates: DeviceRates; section: Section }> {
  const isCpu = gpu.capabilities.kind === "cpu";
  const threads = isCpu ? 2 ** 12 : 2 ** 19;
  const rounds = isCpu ? 1024 : 512;
  const y = gpu.tensor("bench.fma", [threads]);
  const vectors = isCpu ? 2 ** 21 : 2 ** 23;
  const from = gpu.tensor("bench.from", [vectors, 4]);
  const to = gpu.tensor("bench.to", [vectors, 4]);
  const fma = (fused: boolean) =>
    contenderOf(gpu, "fma", (recorder) => fmaRate(recorder, { y }, { rounds, a: 0.9375, b: 0.5, fused }));
  const [plain, fused, copy] = await measureInTurns([
    await fma(false),
    await fma(true),
    await contenderOf(gpu, "copy", (recorder) => copyRate(recorder, { x: from, y: to })),
  ]);
  if (!plain || !fused || !copy) throw new Error("a rate is missing");
  for (const { place } of [y, from, to]) place?.buffer.destroy();
  const operations = threads * rounds * FMA_FLOPS_PER_ROUND;
  const bytes = 32 * vectors;
  const rates = {
    gflops: operations / Math.min(plain.best, fused.best) / 1e9,
    idleGflops: (cores * operations) / Math.min(plain.cpu, fused.cpu) / 1e9,
    gigabytes: bytes / copy.best / 1e9,
  };
  const rows = [
    ["x * a + b", plain, `${figure(operations / plain.best / 1e9)} GFLOP/s`],
    ["fma(x, a, b)", fused, `${figure(operations / fused.best / 1e9)} GFLOP/s`],
    [`copy of ${bytes / 2 / 2 ** 20} MiB`, copy, `${figure(bytes / copy.best / 1e9)} GB/s`],
  ] as const;
  const notes = isCpu
    ? [
        `By CPU time, ${cores} idle cores would give ${figure(rates.idleGflops)} GFLOP/s and copy ${figure((cores * bytes) / copy.cpu / 1e9)} GB/s at most.`,
      ]
    : [];
  const section = {
    title: "Device",
    header: ["f32", "best", "median", "rate"],
    rows: rows.map(([name, { best, median }, rate]) => [
      name,
      milliseconds(best),
      milliseconds(median),
      rate,
    ]),
    notes,
    data: { ...rates, plain, fused, copy },
  };
  return { rates, section };
}
