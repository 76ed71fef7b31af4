import type { TensorSource } from "../../formats/safetensors.ts";

export interface Tolerance {
  readonly tensor: number;
  readonly scalar: number;
}

/** The tolerances of the collection: f32 against float64, and the looser ones for whole training runs. */
export const TOLERANCE: Tolerance = { tensor: 1e-4, scalar: 1e-5 };
export const TRAIN_TOLERANCE: Tolerance = { tensor: 1e-3, scalar: 1e-4 };

/** The worst error of a case as a multiple of its tolerance, and what it belongs to. */
export interface Verdict {
  readonly error: number;
  readonly ratio: number;
  readonly what: string;
}

/** Collects errors of one case. Missing values and NaN count as infinite errors, so they can never pass. */
export class Comparison {
  readonly #tolerance: Tolerance;
  #worst: Verdict = { error: 0, ratio: 0, what: "" };
  #compared = 0;

  constructor(tolerance: Tolerance) {
    this.#tolerance = tolerance;
  }

  get verdict(): Verdict {
    return this.#compared === 0
      ? { error: Infinity, ratio: Infinity, what: "nothing was compared" }
      : this.#worst;
  }

  #note(what: string, error: number, tolerance: number): void {
    this.#compared += 1;
    const ratio = Number.isNaN(error) ? Infinity : error / tolerance;
    if (ratio >= this.#worst.ratio) this.#worst = { error, ratio, what };
  }

  /** norm(x - expected) / norm(expected), absolute where the norm is below 1e-6. */
  tensor(what: string, actual: ArrayLike<number> | undefined, expected: ArrayLike<number>): void {
    this.#note(what, tensorError(actual, expected), this.#tolerance.tensor);
  }

  /** abs(x - expected) / max(1, abs(expected)). */
  scalar(what: string, actual: number | undefined, expected: unknown): void {
    const error =
      typeof expected === "number" && actual !== undefined
        ? Math.abs(actual - expected) / Math.max(1, Math.abs(expected))
        : Infinity;
    this.#note(what, error, this.#tolerance.scalar);
  }

  /** Integers must be equal. */
  equal(what: string, actual: ArrayLike<number>, expected: ArrayLike<number>): void {
    let different = actual.length === expected.length ? 0 : Infinity;
    for (let i = 0; i < expected.length; i++) if (actual[i] !== expected[i]) different += 1;
    this.#note(what, different, 0.5);
  }

  /** Every expected tensor must have been computed, under its name. */
  async tensors(
    expected: ReadonlyMap<string, TensorSource>,
    actual: (name: string) => ArrayLike<number> | undefined,
  ): Promise<void> {
    for (const [name, source] of expected) this.tensor(name, actual(name), await source.floats());
  }
}

export function tensorError(actual: ArrayLike<number> | undefined, expected: ArrayLike<number>): number {
  if (!actual || actual.length !== expected.length) return Infinity;
  let difference = 0;
  let size = 0;
  for (let i = 0; i < expected.length; i++) {
    const e = expected[i] ?? Number.NaN;
    difference += ((actual[i] ?? Number.NaN) - e) ** 2;
    size += e * e;
  }
  const norm = Math.sqrt(size);
  return norm < 1e-6 ? Math.sqrt(difference) : Math.sqrt(difference) / norm;
}
