/**
 * The counter-based random source of src/lib/random.ts in plain JavaScript, so that these scripts run on Node 20
 * without a build step. Same numbers for the same (seed, stream, counter).
 */

const TWO_32 = 4294967296;

/** One PCG-RXS-M-XS 32-bit output step: u32 to u32. */
function pcg(x) {
  const state = (Math.imul(x, 747796405) + 2891336453) >>> 0;
  const word = Math.imul(((state >>> ((state >>> 28) + 4)) ^ state) >>> 0, 277803737) >>> 0;
  return ((word >>> 22) ^ word) >>> 0;
}

/** Mixes any number of u32 keys into one u32. */
function hash(...keys) {
  let h = 0x9e3779b9;
  for (const key of keys) h = pcg((h ^ (key >>> 0)) >>> 0);
  return h;
}

/**
 * @typedef {object} Random
 * @property {() => number} uniform Uniform in [0, 1).
 * @property {(n: number) => number} integer Uniform integer in [0, n).
 * @property {<T>(items: readonly T[]) => T} pick One item, all equally likely.
 * @property {(n: number) => number[]} permutation A permutation of 0..n-1.
 */

/**
 * A seeded stream. Different streams of one seed are independent, so adding a data set never moves another.
 * @param {number} seed
 * @param {number} stream
 * @returns {Random}
 */
export function makeRandom(seed, stream) {
  let counter = 0;
  const next = () => {
    const value = hash(seed, stream, counter >>> 0, Math.floor(counter / TWO_32));
    counter += 1;
    return value;
  };
  const uniform = () => (next() >>> 8) / 16777216;
  const integer = (n) => {
    const limit = Math.floor(TWO_32 / n) * n;
    for (;;) {
      const x = next();
      if (x < limit) return x % n;
    }
  };
  const pick = (items) => items[integer(items.length)];
  const permutation = (n) => {
    const order = Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = integer(i + 1);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  };
  return { uniform, integer, pick, permutation };
}
