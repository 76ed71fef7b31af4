/**
 * The one source of randomness: a counter-based generator (PCG output function over a Weyl sequence of counters).
 * A number is a pure function of (seed, stream, counter), so its state is two integers and any point can be reached
 * without drawing what came before. The shaders use the same hash (see docs/style.md, "Random numbers").
 */

/** One PCG-RXS-M-XS 32-bit output step. Input and output are u32. Source: O'Neill, PCG, 2014, section 6.3.4. */
export function pcg(x: number): number {
  const state = (Math.imul(x, 747796405) + 2891336453) >>> 0;
  const word = Math.imul(((state >>> ((state >>> 28) + 4)) ^ state) >>> 0, 277803737) >>> 0;
  return ((word >>> 22) ^ word) >>> 0;
}

/** Mixes any number of u32 keys into one u32. */
export function hash(...keys: readonly number[]): number {
  let h = 0x9e3779b9;
  for (const key of keys) h = pcg((h ^ (key >>> 0)) >>> 0);
  return h;
}

/** Uniform in [0, 1) with 24 bits, the same numbers as the shaders' `unit()`. */
export function unit(bits: number): number {
  return (bits >>> 8) / 16777216;
}

/** A seeded stream of numbers whose whole state is `counter`. */
export class Random {
  readonly #seed: number;
  readonly #stream: number;
  counter = 0;

  constructor(seed: number, stream = 0, counter = 0) {
    this.#seed = seed >>> 0;
    this.#stream = stream >>> 0;
    this.counter = counter;
  }

  /** Uniform u32. */
  next(): number {
    const high = Math.floor(this.counter / 4294967296);
    const value = hash(this.#seed, this.#stream, this.counter >>> 0, high);
    this.counter += 1;
    return value;
  }

  /** Uniform in [0, 1). */
  uniform(): number {
    return unit(this.next());
  }

  /** Uniform integer in [0, n). Rejection keeps it unbiased. */
  integer(n: number): number {
    const limit = Math.floor(4294967296 / n) * n;
    for (;;) {
      const x = this.next();
      if (x < limit) return x % n;
    }
  }

  /** Standard normal (Box-Muller; two draws each, so that the counter alone is the state). */
  normal(): number {
    const u = (this.next() + 1) / 4294967297;
    const v = this.next() / 4294967296;
    return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v);
  }

  /** A permutation of 0..n-1 (Fisher-Yates). */
  permutation(n: number): number[] {
    const order = Array.from({ length: n }, (_, i) => i);
    this.shuffle(order);
    return order;
  }

  /** Puts a list into a random order, in place. */
  shuffle(list: number[] | Uint32Array): void {
    for (let i = list.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [list[i], list[j]] = [list[j] as number, list[i] as number];
    }
  }
}
