import { describe, expect, it } from "vitest";
import { headFinish } from "../../../src/kernels/head/head_finish.ts";
import { headStats } from "../../../src/kernels/head/head_stats.ts";
import { crossEntropy } from "../../../src/kernels/loss/cross_entropy.ts";
import { maxError, testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/loss.ts";

const gpu = await testGpu();
const [CAPACITY, M] = [71, 67] as const;
const out = uniforms(1, CAPACITY * 4, -6, 0);
const weight = uniforms(2, CAPACITY).map((v, m) => (m % 3 === 0 ? 0 : Math.abs(v)));

async function run(kind: "nll" | "dft", smoothing: number, input = out) {
  const args = {
    out: gpu.tensor("out", [CAPACITY, 4], input),
    weight: gpu.tensor("weight", [CAPACITY], weight),
    upstream: gpu.tensor("upstream", [CAPACITY, 3]),
    loss: gpu.tensor("loss", [CAPACITY]),
  };
  await gpu.run((recorder) => crossEntropy(recorder, args, { kind, smoothing }), { M });
  return { loss: await gpu.read(args.loss), upstream: await gpu.read(args.upstream) };
}

const cases = (["nll", "dft"] as const).flatMap((kind) => [0, 0.1].map((smoothing) => ({ kind, smoothing })));

describe("cross_entropy", () => {
  it.each(cases)("matches the oracle, %o", async ({ kind, smoothing }) => {
    const actual = await run(kind, smoothing);
    const expected = Array.from({ length: M }, (_, m) => {
      const logp = out[4 * m] as number;
      const token = { logp, meanLogp: out[4 * m + 3] as number, p: Math.exp(logp) };
      return reference.crossEntropy(token, weight[m] as number, kind, smoothing);
    });
    // One product and one exp in f32.
    expect(
      maxError(
        actual.loss.slice(0, M),
        expected.map(({ loss }) => loss),
      ),
    ).toBeLessThan(1e-6);
    const upstream = expected.flatMap(({ dLogp, dMeanLogp }) => [dLogp, 0, dMeanLogp]);
    expect(maxError(actual.upstream.slice(0, 3 * M), upstream)).toBeLessThan(1e-6);
    expect([...actual.loss.slice(M), ...actual.upstream.slice(3 * M)].every((value) => value === 0)).toBe(
      true,
    );
  });

  it.each(cases)("has an oracle that differences confirm, %o", ({ kind, smoothing }) => {
    const at = (logp: number, meanLogp: number) =>
      reference.crossEntropy({ logp, meanLogp, p: Math.exp(-1.2) }, 0.3, kind, smoothing);
    const { dLogp, dMeanLogp } = at(-1.2, -3);
    // Linear in both, so that only rounding is left.
    expect(dLogp).toBeCloseTo((at(-1.1, -3).loss - at(-1.3, -3).loss) / 0.2, 12);
    expect(dMeanLogp).toBeCloseTo((at(-1.2, -2.9).loss - at(-1.2, -3.1).loss) / 0.2, 12);
  });

  it("shows a NaN", async () => {
    const { loss, upstream } = await run("dft", 0, out.with(4 * 5, Number.NaN));
    expect([...loss].findIndex(Number.isNaN)).toBe(5);
    expect([...upstream].findIndex(Number.isNaN)).toBe(15);
  });

  it.each([
    [3, 2.4607956],
    [7, 1.0546267],
  ])("gives TRL's chunked loss when divided by %i, through the head", async (normaliser, expected) => {
    const targets = [2, 3, -100, 5, -100]; // already shifted by one
    const z = Array.from({ length: 5 * 6 }, (_, i) => {
      const [t, v] = [Math.floor(i / 6), i % 6];
      return [0, 1, 2, 3].reduce(
        (sum, c) => sum + Math.sin(0.3 * c + 0.7 * t) * Math.cos(0.2 * c * v + 0.1),
        0,
      );
    });
    const tables = {
      targets: gpu.tensor("targets", [5], new Uint32Array(targets.map((t) => Math.max(t, 0)))),
      weight: gpu.tensor(
        "weight",
        [5],
        targets.map((t) => (t < 0 ? 0 : 1 / normaliser)),
      ),
    };
    const state = gpu.tensor("state", [5, 8]);
    const head = gpu.tensor("out", [5, 4]);
    const argmax = gpu.tensor("argmax", [5]);
    const logCollision = gpu.tensor("logCollision", [5]);
    const loss = gpu.tensor("loss", [5]);
    const upstream = gpu.tensor("upstream", [5, 3]);
    const options = { firstColumn: 0, columns: 6, stride: 6, softcap: 0, temperature: 1 };
    await gpu.run(
      (recorder) => {
        const scratch = gpu.tensor("z", [5, 6], z);
        const args = { z: scratch, state, targets: tables.targets };
        headStats(recorder, args, { ...options, first: true, threads: 64 });
        headFinish(recorder, { state, out: head, argmax, logCollision }, { vocab: 6 });
        const given = { out: head, weight: tables.weight, upstream, loss };
        crossEntropy(recorder, given, { kind: "nll", smoothing: 0 });
      },
      { M: 5 },
    );
    const total = (await gpu.read(loss)).reduce((sum, v) => sum + v, 0);
    // Eight digits are given; f32.
    expect(Math.abs(total - expected)).toBeLessThan(5e-7);
    const entropies = await gpu.read(head);
    const entropy = [0, 1, 3].reduce((sum, m) => sum + (entropies[4 * m + 1] as number), 0);
    expect(Math.abs(entropy - 4.4445162)).toBeLessThan(1e-6);
  });
});
