import { describe, expect, it } from "vitest";
import { decodeFloats, encodeFloats } from "../../../src/formats/dtype.ts";
import { embeddingForward } from "../../../src/kernels/embedding/embedding_forward.ts";
import { type Weight, weightRows } from "../../../src/kernels/linear/weight.ts";
import { profileFor } from "../../../src/kernels/profile.ts";
import { hash } from "../../../src/lib/random.ts";
import { maxError, testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/embedding.ts";

const gpu = await testGpu();

/** C is odd, so that rows start in either half of a word; ids repeat and touch both ends of the table. */
const [CAPACITY, N, V, P, C] = [13, 11, 17, 9, 83] as const;
const ids = Uint32Array.of(0, 16, 3, 3, 8, 9, 1, 16, 7, 5, 3, 2, 2);
const positions = Uint32Array.of(0, 1, 2, 3, 0, 1, 8, 7, 6, 5, 4, 3, 2);
const keys = Uint32Array.from({ length: CAPACITY }, (_, n) => hash(9, n));
const NOISE = { width: 0.37, tag: 5, seed: 11, step: 4 };

type Format = "f32" | "bf16" | "f16";
const DTYPES = { f32: "F32", bf16: "BF16", f16: "F16" } as const;

/** A table on the GPU that starts `first` elements into its buffer, and the numbers it holds. */
function table(
  seed: number,
  rows: number,
  format: Format,
  first: number,
): { weight: Weight; values: Float32Array } {
  const all = Float32Array.from(uniforms(seed, first + rows * C + 1, -2, 2));
  const bytes = encodeFloats(all, DTYPES[format]);
  const words = new Uint32Array(Math.ceil(bytes.length / 4));
  new Uint8Array(words.buffer).set(bytes);
  const tensor = gpu.tensor("table", [words.length], words);
  const values = decodeFloats(bytes, DTYPES[format]).slice(first, first + rows * C);
  return { weight: { tensor, format, rows, cols: C, first }, values };
}

interface Options {
  readonly format: Format;
  readonly scale: number;
  readonly position?: Format;
  readonly noise?: boolean;
  readonly cuts?: readonly number[];
  readonly kind?: "cpu" | "gpu";
  readonly tokens?: Uint32Array;
  readonly keys?: Uint32Array;
}

async function run(options: Options) {
  const { weight, values } = table(1, V, options.format, 3);
  const place = options.position ? table(2, P, options.position, 1) : undefined;
  const tokens = options.tokens ?? ids;
  const edges = [0, ...(options.cuts ?? []), V];
  const shards = edges.slice(1).map((to, i) => {
    const firstRow = edges[i] as number;
    return { weight: weightRows(weight, firstRow, to), firstRow };
  });
  const y = gpu.tensor("y", [CAPACITY, C]);
  const args = {
    y,
    ids: gpu.tensor("ids", [CAPACITY], tokens),
    shards,
    position: place && {
      weight: place.weight,
      positions: gpu.tensor("positions", [CAPACITY], positions),
    },
    keys: options.noise ? gpu.tensor("keys", [CAPACITY], options.keys ?? keys) : undefined,
  };
  const noiseTag = options.noise ? NOISE.tag : undefined;
  await gpu.run(
    (recorder) =>
      embeddingForward(recorder, profileFor({ kind: options.kind ?? "gpu" }), args, {
        scale: options.scale,
        noiseTag,
      }),
    { N, seed: NOISE.seed, step: NOISE.step, noise: NOISE.width },
  );
  const expected = reference.embeddingForward(
    values,
    tokens.slice(0, N),
    C,
    options.scale,
    place && { weight: place.values, positions },
    options.noise ? { ...NOISE, keys } : undefined,
  );
  return { actual: await gpu.read(y), expected };
}

const FORMATS = ["f32", "bf16", "f16"] as const;

describe("embedding_forward", () => {
  const cases: Options[] = (["cpu", "gpu"] as const).flatMap((kind) =>
    FORMATS.flatMap((format) => [
      { kind, format, scale: 1 },
      { kind, format, scale: Math.sqrt(C), noise: true, cuts: [1, 9] },
      ...FORMATS.map((position) => ({ kind, format, scale: 1, position, noise: position === "f16" })),
    ]),
  );
  it.each(cases)("matches the oracle, %o", async (options) => {
    const { actual, expected } = await run(options);
    // At most three numbers below 20 added in f32.
    expect(maxError(actual.slice(0, N * C), expected)).toBeLessThan(5e-7);
    expect([...actual.slice(N * C)].every((value) => value === 0)).toBe(true);
  });

  it("adds noise that fills the interval", async () => {
    const quiet = await run({ format: "f32", scale: 1 });
    const noisy = await run({ format: "f32", scale: 1, noise: true });
    const noise = noisy.actual.slice(0, N * C).map((value, i) => value - (quiet.actual[i] as number));
    const mean = noise.reduce((sum, value) => sum + value, 0) / noise.length;
    const extent = noise.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    // Three standard deviations of the mean of 913 uniform numbers.
    expect(Math.abs(mean)).toBeLessThan((3 * NOISE.width) / Math.sqrt(3 * N * C));
    expect(extent).toBeLessThan(NOISE.width + 1e-6);
    expect(extent).toBeGreaterThan(0.98 * NOISE.width);
  });

  it("gives a token the same bits in another place of the batch", async () => {
    const options = { format: "bf16", scale: 1, noise: true } as const;
    const first = await run(options);
    const reversed = await run({
      ...options,
      tokens: ids.slice(0, N).reverse(),
      keys: keys.slice(0, N).reverse(),
    });
    const last = reversed.actual.slice((N - 1) * C, N * C);
    expect([...last]).toEqual([...first.actual.slice(0, C)]);
  });
});
