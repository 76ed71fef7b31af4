import { expect, it } from "vitest";
import { loraBackwardAb } from "../../../src/kernels/lora/lora_backward_ab.ts";
import type { LoraRows } from "../../../src/kernels/lora/params.ts";
import type { KernelProfile } from "../../../src/kernels/profile.ts";
import { relativeError, testGpu, uniforms } from "../../gpu.ts";
import * as reference from "../../reference/lora.ts";
import { CASES, keysFor, type LoraCase, maskFor, SEED, STEP } from "./cases.ts";

const gpu = await testGpu();
const SCALE = 1.7;

function data({ capacity, shape, ldy, rowsB }: LoraCase) {
  return {
    x: uniforms(1, capacity * shape.ldx),
    dy: uniforms(2, capacity * ldy),
    u: uniforms(3, capacity * shape.ru),
    du: uniforms(4, capacity * shape.ru),
    da: uniforms(5, shape.ru * shape.K),
    db: uniforms(6, rowsB * shape.rank),
  };
}

interface Options {
  readonly rows?: LoraRows;
  readonly dropout?: boolean;
  readonly segments?: LoraCase["segments"];
}

async function run(profile: KernelProfile, test: LoraCase, { rows = "N", ...options }: Options = {}) {
  const { capacity, shape, ldy, rowsB } = test;
  const values = data(test);
  const args = {
    x: gpu.tensor("x", [capacity, shape.ldx], values.x),
    dy: gpu.tensor("dy", [capacity, ldy], values.dy),
    u: gpu.tensor("u", [capacity, shape.ru], values.u),
    du: gpu.tensor("du", [capacity, shape.ru], values.du),
    da: gpu.tensor("da", [shape.ru, shape.K], values.da),
    db: gpu.tensor("db", [rowsB, shape.rank], values.db),
    keys: options.dropout ? gpu.tensor("keys", [capacity], keysFor(capacity)) : undefined,
  };
  const { rate, tag } = maskFor(capacity);
  const dropout = options.dropout ? { rate, tag } : undefined;
  const segments = options.segments ?? test.segments;
  await gpu.run(
    (recorder) =>
      loraBackwardAb(recorder, profile, args, {
        rank: shape.rank,
        scale: SCALE,
        segments,
        rows,
        dropout,
        xColumn: shape.column,
      }),
    { [rows]: shape.N, seed: SEED, step: STEP },
  );
  return { da: await gpu.read(args.da), db: await gpu.read(args.db) };
}

const sum = (a: ArrayLike<number>, b: ArrayLike<number>): number[] =>
  Array.from(a, (value, i) => value + (b[i] as number));

/** The tests of one variant of lora_backward_ab. */
export function checkLoraBackwardAb(profile: KernelProfile): void {
  const options = [
    { rows: "N" },
    { rows: "M" },
    { rows: "R" },
    { rows: "N", dropout: true },
    { rows: "M", dropout: true },
  ] as const;
  const runs = CASES.flatMap((test) => options.map((option) => ({ ...option, test, title: test.name })));
  it.each(runs)(
    "adds what the oracle says: $title, rows $rows, dropout $dropout",
    async ({ test, ...option }) => {
      const { capacity, shape, ldy, rowsB, segments } = test;
      const actual = await run(profile, test, option);
      const values = data(test);
      const mask = "dropout" in option ? maskFor(capacity) : undefined;
      const expected = reference.loraBackwardAb(values, shape, ldy, rowsB, SCALE, segments, mask);
      // Sums of at most 130 products of numbers below 2 in f32.
      expect(relativeError(actual.da, sum(values.da, expected.da))).toBeLessThan(2e-6);
      expect(relativeError(actual.db, sum(values.db, expected.db))).toBeLessThan(2e-6);
    },
  );

  it.each(CASES.filter(({ segments }) => segments.length > 1))(
    "gives the same bits segment by segment: $name",
    async (test) => {
      const { da, db } = await run(profile, test, { dropout: true });
      const values = data(test);
      for (const segment of test.segments) {
        const part = await run(profile, test, { dropout: true, segments: [segment] });
        const { rank, K } = test.shape;
        const ownA = (i: number) => Math.floor(i / K / rank) * rank === segment.u;
        const row = (i: number) => Math.floor(i / rank) - segment.row;
        const ownB = (i: number) => row(i) >= 0 && row(i) < segment.end - segment.begin;
        const wantedA = Float32Array.from(values.da, (value, i) => (ownA(i) ? (da[i] as number) : value));
        const wantedB = Float32Array.from(values.db, (value, i) => (ownB(i) ? (db[i] as number) : value));
        expect([...part.da]).toEqual([...wantedA]);
        expect([...part.db]).toEqual([...wantedB]);
      }
    },
  );
}
