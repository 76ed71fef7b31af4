import { nf4Layout, quantizeScales } from "../formats/nf4.ts";
import { type Gpu, placeOf } from "../gpu/device.ts";
import { type Program, planPrograms } from "../gpu/program.ts";
import { ReadbackRing } from "../gpu/readback.ts";
import { Recorder } from "../gpu/recorder.ts";
import { ZERO_STEP } from "../gpu/step.ts";
import type { Tensor } from "../gpu/tensor.ts";
import type { Nf4Layout, Weight, WeightFormat } from "../kernels/linear/weight.ts";
import { NF4_BLOCK, nf4Blocks } from "../kernels/quantize/nf4_blocks.ts";

type StoredFormat = Exclude<WeightFormat, "nf4">;
const ELEMENT_BYTES: Readonly<Record<StoredFormat, number>> = { f32: 4, bf16: 2, f16: 2 };
/** Slices whose scales may be on their way to the host at once. */
const IN_FLIGHT = 4;

/**
 * Turns slices of stored weights into NF4 codes on the GPU, in scratch memory for one slice that is used again and again.
 * Only the largest magnitude of each block comes back: 1/64 of the elements.
 */
export class Nf4Quantizer {
  readonly #gpu: Gpu;
  readonly #format: StoredFormat;
  readonly #x: Tensor;
  readonly #codes: Tensor;
  readonly #ring: ReadbackRing;
  /** Undefined on a device that only counts. */
  readonly #program: Program | undefined;
  /** The oldest first. */
  readonly #pending: Promise<unknown>[] = [];

  private constructor(gpu: Gpu, format: StoredFormat, scratch: Scratch, program: Program | undefined) {
    this.#gpu = gpu;
    this.#format = format;
    this.#x = scratch.x;
    this.#codes = scratch.codes;
    this.#ring = scratch.ring;
    this.#program = program;
  }

  /** Room for slices of `bytes` bytes. What it allocates is freed by whoever owns it (Gpu.owned). */
  static async create(gpu: Gpu, format: StoredFormat, bytes: number): Promise<Nf4Quantizer> {
    const blocks = Math.ceil(bytes / ELEMENT_BYTES[format] / NF4_BLOCK);
    const x = gpu.tensor("quantize.x", [(blocks * NF4_BLOCK * ELEMENT_BYTES[format]) / 4]);
    const codes = gpu.tensor("quantize.codes", [(blocks * NF4_BLOCK) / 8]);
    const absmax = gpu.tensor("quantize.absmax", [blocks]);
    const ring = new ReadbackRing(gpu, absmax, IN_FLIGHT);
    const recorder = new Recorder("quantize");
    nf4Blocks(recorder, { x, codes, absmax }, { format });
    const [program] = gpu.isDry ? [] : await planPrograms(gpu, [recorder]);
    return new Nf4Quantizer(gpu, format, { x, codes, ring }, program);
  }

  /**
   * Submits a slice, whole blocks unless it is the last, and puts its codes where element `first` of the matrix in `target`
   * has them. Waits while too many slices are on their way. `absmax` is that of each block.
   */
  async quantize(
    bytes: Uint8Array<ArrayBuffer>,
    target: Tensor,
    first: number,
  ): Promise<{ readonly absmax: Promise<Float32Array<ArrayBuffer>> }> {
    if (!this.#program) throw new Error("a device that only counts quantises nothing");
    while (this.#ring.free === 0) await this.#pending.shift();
    const count = bytes.length / ELEMENT_BYTES[this.#format];
    this.#gpu.upload(this.#x, padTo4(bytes));
    const to = placeOf(target);
    let copy: { read(): Promise<ArrayBuffer> } | undefined;
    this.#program.execute({ ...ZERO_STEP, N: count }, (encoder) => {
      const { buffer, offset } = placeOf(this.#codes);
      const size = 4 * Math.ceil(count / 8);
      encoder.copyBufferToBuffer(buffer, offset, to.buffer, to.offset + first / 2, size);
      copy = this.#ring.copy(encoder);
    });
    if (!copy) throw new Error("the scales were not copied");
    const absmax = copy.read().then((all) => new Float32Array(all, 0, Math.ceil(count / NF4_BLOCK)));
    // Whoever asked sees a failure; here it only ends the wait.
    this.#pending.push(absmax.catch(() => {}));
    return { absmax };
  }
}

interface Scratch {
  readonly x: Tensor;
  readonly codes: Tensor;
  readonly ring: ReadbackRing;
}

/** A matrix that becomes NF4 slice by slice. */
export class Nf4Matrix {
  readonly weight: Weight;
  readonly #gpu: Gpu;
  readonly #elements: number;
  readonly #layout: { -readonly [Key in keyof Nf4Layout]: Nf4Layout[Key] };
  readonly #absmax: Promise<Float32Array<ArrayBuffer>>[] = [];

  constructor(gpu: Gpu, label: string, rows: number, cols: number) {
    this.#gpu = gpu;
    this.#elements = rows * cols;
    const { words, ...places } = nf4Layout(this.#elements);
    // The weights decide the offset, which is set when they have been read, before anything is recorded with it.
    this.#layout = { ...places, offset: 0 };
    const tensor = gpu.tensor(label, [words]);
    this.weight = { tensor, format: "nf4", rows, cols, first: 0, nf4: this.#layout };
  }

  /** Elements from `first` on, slices in order. */
  async add(quantizer: Nf4Quantizer, bytes: Uint8Array<ArrayBuffer>, first: number): Promise<void> {
    const { absmax } = await quantizer.quantize(bytes, this.weight.tensor, first);
    absmax.catch(() => {});
    this.#absmax.push(absmax);
  }

  /** After the last slice: the scales, quantised on the host. */
  async finish(): Promise<void> {
    const parts = await Promise.all(this.#absmax);
    const absmax = new Float32Array(Math.ceil(this.#elements / NF4_BLOCK));
    let at = 0;
    for (const part of parts) {
      absmax.set(part, at);
      at += part.length;
    }
    const { words, layout } = quantizeScales(absmax, this.#elements);
    this.#gpu.upload(this.weight.tensor, words, 4 * layout.scaleCodes);
    this.#layout.offset = layout.offset;
  }
}

export function padTo4(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (bytes.length % 4 === 0) return bytes;
  const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  padded.set(bytes);
  return padded;
}
