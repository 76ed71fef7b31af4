/** Something that is timed: calls that may overlap, and a wait for all of them. */
export interface Contender {
  call(): void;
  settle(): Promise<void>;
}

/** Seconds a call. */
export interface Timing {
  /** The first call, with all compiling. */
  readonly first: number;
  readonly best: number;
  readonly median: number;
  /** CPU seconds of this process, the least of any run: what a CPU adapter spends however busy the machine is. */
  readonly cpu: number;
  readonly runs: number;
}

export interface MeasureOptions {
  /** Timed runs of each contender; 5 when absent. */
  readonly runs?: number;
  /** Calls of a run follow each other without waiting until they take about as long as this; seconds, 0.1 when absent. */
  readonly atLeast?: number;
}

async function timed({ call, settle }: Contender, calls: number): Promise<{ wall: number; cpu: number }> {
  const usage = process.cpuUsage();
  const start = performance.now();
  for (let i = 0; i < calls; i++) call();
  await settle();
  const wall = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(usage);
  return { wall: wall / calls, cpu: (user + system) / 1e6 / calls };
}

/**
 * Times contenders in turns, so that what else the machine does meets all of them alike: one call that compiles, one
 * that warms up, then runs of as many calls as `atLeast` takes.
 */
export async function measureInTurns(
  contenders: readonly Contender[],
  { runs = 5, atLeast = 0.1 }: MeasureOptions = {},
): Promise<Timing[]> {
  const states: { contender: Contender; first: number; calls: number; walls: number[]; cpus: number[] }[] =
    [];
  for (const contender of contenders) {
    const first = (await timed(contender, 1)).wall;
    const { wall } = await timed(contender, 1);
    const calls = Math.min(1000, Math.max(1, Math.ceil(atLeast / wall)));
    states.push({ contender, first, calls, walls: [], cpus: [] });
  }
  for (let run = 0; run < runs; run++) {
    for (const { contender, calls, walls, cpus } of states) {
      const { wall, cpu } = await timed(contender, calls);
      walls.push(wall);
      cpus.push(cpu);
    }
  }
  return states.map(({ first, walls, cpus }) => ({
    first,
    best: Math.min(...walls),
    median: median(walls),
    cpu: Math.min(...cpus),
    runs,
  }));
}

export async function measure(contender: Contender, options: MeasureOptions = {}): Promise<Timing> {
  const [timing] = await measureInTurns([contender], options);
  if (!timing) throw new Error("nothing was measured");
  return timing;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}
