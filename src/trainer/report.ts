import type { Gpu } from "../gpu/device.ts";
import { ReadbackRing } from "../gpu/readback.ts";
import { type Tensor, tensorAt } from "../gpu/tensor.ts";
import { METRIC_FIELDS, METRIC_SLOT } from "../kernels/loss/metrics_reduce.ts";
import { OPTIM_STATE } from "../kernels/optim/grad_norm_finish.ts";

/** Sums over the loss tokens of one micro-batch: the common fields, and those of the loss in use. */
export type MicroMetrics = Readonly<Record<(typeof METRIC_FIELDS)[number], number>> &
  Readonly<Record<string, number>>;

/** What the GPU says of one optimizer step. */
export interface StepReport {
  readonly micros: readonly MicroMetrics[];
  /** L2 norm of all gradients before clipping. */
  readonly gradNorm: number;
  /** False when a loss or gradient was not finite: the GPU then skipped the update. */
  readonly finite: boolean;
  /** Updates applied since the start of the run. */
  readonly applied: number;
  readonly skipped: number;
}

const STATE_BYTES = 256;

/**
 * The small buffer through which results leave the GPU: the optimizer's state and one slot of metrics a pass.
 * It is copied to the host in the background, so that the loop never waits for it.
 */
export class ReportBuffer {
  readonly state: Tensor;
  readonly metrics: Tensor;
  readonly #ring: ReadbackRing;
  readonly #fields: readonly string[];
  readonly #combine: (passes: readonly MicroMetrics[]) => MicroMetrics;

  /**
   * `fields` are the names of a slot's floats by index, as `metricFields` gives them; those without a name are left out.
   * `combine` makes a micro-batch's metrics of those of its passes.
   */
  constructor(
    gpu: Gpu,
    slots: number,
    fields: readonly string[] = METRIC_FIELDS,
    combine: (passes: readonly MicroMetrics[]) => MicroMetrics = sumOf,
  ) {
    this.#fields = fields;
    this.#combine = combine;
    const all = gpu.tensor("report", [STATE_BYTES / 4 + METRIC_SLOT * slots]);
    const { buffer } = all.place as { buffer: GPUBuffer };
    this.state = tensorAt("optimizerState", [16], { buffer, offset: 0 });
    this.metrics = tensorAt("metrics", [slots, METRIC_SLOT], { buffer, offset: STATE_BYTES });
    this.#ring = new ReadbackRing(gpu, all);
  }

  /** Reports that may still be in flight. */
  get free(): number {
    return this.#ring.free;
  }

  /** Encodes the copy for a step whose micro-batches took so many slots each; `read` after the submit. */
  copy(encoder: GPUCommandEncoder, slots: readonly number[]): { read(): Promise<StepReport> } {
    const copy = this.#ring.copy(encoder);
    return { read: async () => this.#decode(await copy.read(), slots) };
  }

  #decode(bytes: ArrayBuffer, slots: readonly number[]): StepReport {
    const { passes, ...report } = decode(
      bytes,
      slots.reduce((sum, count) => sum + count, 0),
      this.#fields,
    );
    let first = 0;
    const micros = slots.map((count) => {
      first += count;
      return this.#combine(passes.slice(first - count, first));
    });
    return { micros, ...report };
  }
}

/** The sums over several passes, field by field. */
export function sumOf(passes: readonly MicroMetrics[]): MicroMetrics {
  const names = Object.keys(passes[0] ?? {});
  const sum = (name: string) => passes.reduce((all, pass) => all + (pass[name] ?? 0), 0);
  return Object.fromEntries(names.map((name) => [name, sum(name)])) as MicroMetrics;
}

function decode(
  bytes: ArrayBuffer,
  slots: number,
  metricNames: readonly string[],
): Omit<StepReport, "micros"> & { readonly passes: readonly MicroMetrics[] } {
  const floats = new Float32Array(bytes);
  const uints = new Uint32Array(bytes);
  const fields = Object.keys(OPTIM_STATE);
  const state = (name: keyof typeof OPTIM_STATE) => {
    const index = fields.indexOf(name);
    return (OPTIM_STATE[name] === "u32" ? uints[index] : floats[index]) ?? Number.NaN;
  };
  return {
    passes: Array.from({ length: slots }, (_, i) => {
      const first = STATE_BYTES / 4 + METRIC_SLOT * i;
      const named = metricNames.map((name, j) => [name, floats[first + j]] as const);
      return Object.fromEntries(named.filter(([name]) => name !== "")) as MicroMetrics;
    }),
    gradNorm: state("norm"),
    finite: state("finite") === 1,
    applied: state("t"),
    skipped: state("skipped"),
  };
}
