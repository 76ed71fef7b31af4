import { describe, expect, it } from "vitest";
import { attentionDecode } from "../../../src/kernels/attention/attention_decode.ts";
import { attentionForward } from "../../../src/kernels/attention/attention_forward.ts";
import { kvAppend } from "../../../src/kernels/attention/kv_append.ts";
import { attentionTiles } from "../../../src/kernels/attention/tiles.ts";
import { maxError, testGpu } from "../../gpu.ts";
import * as reference from "../../reference/attention.ts";
import { CASES, inputs, PROFILES, sum } from "./attention.ts";

const gpu = await testGpu();

/** Rows 1 and 2 begin with the same 19 tokens: one prompt, two completions. Row 0 is a prompt of its own. */
const ROWS = [1, 70, 40];
const SHARED = 19;
const MAX_LENGTH = 53;

function shared(c: reference.AttentionCase) {
  const x = inputs(c);
  const same = (values: number[], width: number) =>
    values.copyWithin(71 * width, 1 * width, (1 + SHARED) * width);
  same(x.k, c.kvHeads * c.headDim);
  same(x.qkv, (c.heads + 2 * c.kvHeads) * c.headDim);
  return x;
}

/** The last query of each row, as attention_forward and as attention_decode see it, and the oracle. */
async function lastQueries(kind: "cpu" | "gpu", c: reference.AttentionCase, x = shared(c)) {
  const profile = PROFILES[kind];
  const { heads, kvHeads, headDim: D } = c;
  const [N, width] = [sum(ROWS), heads * D];
  const ends = [0, 70, 110];
  const table = attentionTiles(ROWS, profile.attentionTile);
  // Slot 0: row 0; slot 3: the shared prompt; slots 1 and 2: what follows it in rows 1 and 2.
  const targets = ROWS.flatMap((length, row) =>
    Array.from({ length }, (_, index) => {
      if (row === 0) return [0, index];
      if (index < SHARED) return row === 1 ? [3, index] : [0xffffffff, 0];
      return [row, index - SHARED];
    }),
  ).flat();
  const caches = [4, MAX_LENGTH, kvHeads * D];
  const args = {
    q: gpu.tensor("q", [N, width], x.q),
    k: gpu.tensor("k", [N, kvHeads * D], x.k),
    qkv: gpu.tensor("qkv", [N, (heads + 2 * kvHeads) * D], x.qkv),
    out: gpu.tensor("out", [N, width]),
    stats: gpu.tensor("stats", [N, heads, 2]),
    tiles: gpu.tensor("tiles", [table.length / 4, 4], table),
    kCache: gpu.tensor("kCache", caches),
    vCache: gpu.tensor("vCache", caches),
    targets: gpu.tensor("targets", [N, 2], Uint32Array.from(targets)),
  };
  const decode = {
    q: gpu.tensor(
      "q1",
      [4, width],
      ends.flatMap((n) => x.q.slice(n * width, (n + 1) * width)),
    ),
    out: gpu.tensor("out1", [4, width]),
    sequences: gpu.tensor(
      "sequences",
      [4, 4],
      Uint32Array.of(0, 0, 0, 1, 3, SHARED, 1, 70, 3, SHARED, 2, 40, 0, 0, 0, 0),
    ),
    kCache: args.kCache,
    vCache: args.vCache,
  };
  const options = { ...c, maxLength: MAX_LENGTH };
  await gpu.run(
    (recorder) => {
      const { q, k, qkv, out, stats, tiles, kCache, vCache } = args;
      attentionForward(recorder, profile, { q, k, qkv, out, stats, tiles }, c);
      const append = { k, qkv, kCache, vCache, targets: args.targets };
      kvAppend(recorder, profile, append, { ...options, rows: "N" });
      attentionDecode(recorder, profile, decode, options);
    },
    { N, R: 4, T: table.length / 4 },
  );
  const pick = (values: ArrayLike<number>) =>
    ends.flatMap((n) => Array.from({ length: width }, (_, i) => values[n * width + i] as number));
  return {
    forward: pick(await gpu.read(args.out)),
    decoded: await gpu.read(decode.out),
    oracle: pick(reference.attentionForward(x, c).out),
    width,
  };
}

const names = ["plain", "grouped, D = 8", "grouped, window 20, softcap, D = 96", "D = 256"];

describe.each(["cpu", "gpu"] as const)("attention_decode, %s", (kind) => {
  it.each(names)("agrees with the forward and the oracle: %s", async (name) => {
    const c = { ...(CASES[name] as reference.AttentionCase), rowLengths: ROWS };
    const { forward, decoded, oracle, width } = await lastQueries(kind, c);
    expect(maxError(decoded.slice(0, 3 * width), oracle)).toBeLessThan(4e-6); // as attention_forward
    // The same sums in the same order; compilers may fuse differently, and the tiled forward splits its dot products.
    expect(maxError(decoded.slice(0, 3 * width), forward)).toBeLessThan(2e-6);
    // A sequence of length 0 has retired: nothing is written.
    expect([...decoded.slice(3 * width)].every((value) => value === 0)).toBe(true);
  });

  it("hands on a score that is not a number", async () => {
    const c = { ...(CASES["grouped, D = 8"] as reference.AttentionCase), rowLengths: ROWS };
    const x = shared(c);
    x.q[70 * c.heads * c.headDim] = Number.NaN; // the first head's query of the second sequence
    const { decoded, width } = await lastQueries(kind, c, x);
    expect(decoded.subarray(width, width + c.headDim).some(Number.isFinite)).toBe(false);
    expect(decoded.subarray(0, width).every(Number.isFinite)).toBe(true);
    expect(decoded.subarray(width + c.headDim).every(Number.isFinite)).toBe(true);
  });
});
