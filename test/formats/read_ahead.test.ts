import { describe, expect, it } from "vitest";
import { floatReads, readAhead, slicedReads, type TensorRead } from "../../src/formats/read_ahead.ts";
import { readSafetensors, type TensorSource, writeSafetensors } from "../../src/formats/safetensors.ts";
import type { Asset } from "../../src/host/host.ts";
import { memoryAsset } from "../../src/host/memory.ts";

const SIZES = [6, 2, 50, 10, 4, 38];

/** A file of bf16 tensors t0, t1, ... whose elements count on; reads are logged and wait until `let` lets them go. */
async function countingFile(name = "model.safetensors") {
  let next = 0;
  const tensors = SIZES.map((count, i) => {
    const data = new Uint8Array(Uint16Array.from({ length: count }, () => 0x3f80 + next++).buffer);
    return { name: `t${i}`, dtype: "BF16" as const, shape: [count], data };
  });
  const inner = memoryAsset(name, writeSafetensors(tensors));
  const log = { reads: [] as [number, number][], open: 0, mostOpen: 0 };
  const asset: Asset = {
    ...inner,
    read: async (start, end) => {
      log.reads.push([start, end]);
      log.open += 1;
      log.mostOpen = Math.max(log.mostOpen, log.open);
      // Later requests come back sooner.
      for (let i = 0; i < 20 - Math.min(19, log.reads.length); i++) await Promise.resolve();
      log.open -= 1;
      return inner.read(start, end);
    },
  };
  const file = await readSafetensors(asset);
  log.reads.length = 0;
  return { sources: [...file.tensors.values()], log };
}

function whole(source: TensorSource, take: TensorRead["take"]): TensorRead[] {
  return slicedReads(source, [0, source.byteLength], take, { slice: 24 });
}

describe("reading ahead", () => {
  it("joins what lies side by side, up to a slice, and gives each its own bytes in order", async () => {
    const { sources, log } = await countingFile();
    const taken: string[] = [];
    const shuffled = [3, 0, 5, 2, 1, 4].map((i) => sources[i] as TensorSource);
    const reads = shuffled.flatMap((source) =>
      whole(source, (bytes) => {
        taken.push(`${source.name}:${new Uint16Array(bytes.slice().buffer).join()}`);
      }),
    );
    const counts: number[] = [];
    await readAhead(reads, (bytes) => counts.push(bytes), { slice: 24, requests: 3 });
    const lengths = log.reads.map(([start, end]) => end - start);
    expect(lengths).toEqual(counts);
    // 6 + 2 elements; 50 in slices of 12, the last 2 with the 10 behind them; 4; 38 in slices of 12.
    expect(lengths).toEqual([16, 24, 24, 24, 24, 24, 8, 24, 24, 24, 4]);
    const values = taken.flatMap((text) => (text.split(":")[1] ?? "").split(",").map(Number));
    expect(values).toEqual(Array.from({ length: 110 }, (_, i) => 0x3f80 + i));
  });

  it("holds no more than the requests that it may, those being taken included", async () => {
    const { sources, log } = await countingFile();
    let held = 0;
    let mostHeld = 0;
    const reads = sources.flatMap((source) =>
      whole(source, async () => {
        held = log.open + 1;
        for (let i = 0; i < 50; i++) await Promise.resolve();
        held = Math.max(held, log.open + 1);
        mostHeld = Math.max(mostHeld, held);
      }),
    );
    await readAhead(reads, undefined, { slice: 24, requests: 3 });
    expect(log.mostOpen).toBe(3);
    expect(mostHeld).toBeLessThanOrEqual(3);
  });

  it("starts no request beyond the first three while nothing is taken", async () => {
    const { sources, log } = await countingFile();
    let go = () => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    const done = readAhead(
      sources.flatMap((source) => whole(source, () => gate)),
      undefined,
      { slice: 24, requests: 3 },
    );
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(log.reads).toHaveLength(3);
    go();
    await done;
    expect(log.reads).toHaveLength(11);
  });

  it("reads tensors that have no place in a file each for itself", async () => {
    const { sources, log } = await countingFile();
    const without = sources.map(({ place: _, ...source }) => source);
    await readAhead(without.flatMap((source) => whole(source, () => {})));
    expect(log.reads).toHaveLength(SIZES.length);
  });

  it("goes from file to file, and never joins two of them", async () => {
    const [a, b] = [await countingFile("a"), await countingFile("b")];
    const order: string[] = [];
    const both = a.sources.flatMap((source, i) => [b.sources[i] as TensorSource, source]);
    await readAhead(
      both.flatMap((source) => whole(source, () => void order.push(source.file))),
      undefined,
      { slice: 1000, requests: 2 },
    );
    expect([a.log.reads.length, b.log.reads.length]).toEqual([1, 1]);
    expect(new Set(order.slice(0, order.length / 2))).toEqual(new Set(["b"]));
  });

  it("gives numbers of a part of a tensor, wherever its bytes begin", async () => {
    const { sources } = await countingFile();
    const source = sources[2] as TensorSource;
    const found = new Float32Array(30);
    const take = (values: Float32Array, at: number) => found.set(values, at);
    await readAhead(floatReads(source, [7, 37], take, { slice: 14 }));
    expect([...found]).toEqual([...(await source.floats(7, 37))]);
  });

  it("fails with the first failure, of a request or of whoever takes the bytes", async () => {
    const { sources } = await countingFile();
    const broken = { ...(sources[1] as TensorSource), bytes: () => Promise.reject(new Error("gone")) };
    const { place: _, ...alone } = broken;
    const all = [sources[0] as TensorSource, alone, ...sources.slice(2)];
    const limits = { slice: 24, requests: 2 };
    await expect(
      readAhead(
        all.flatMap((source) => whole(source, () => {})),
        undefined,
        limits,
      ),
    ).rejects.toThrow("gone");
    const refuse = () => Promise.reject(new Error("refused"));
    await expect(
      readAhead(
        sources.flatMap((source) => whole(source, refuse)),
        undefined,
        limits,
      ),
    ).rejects.toThrow("refused");
  });

  it("refuses a source that gives fewer bytes than were asked for", async () => {
    const { sources } = await countingFile();
    const { place: _, ...source } = sources[0] as TensorSource;
    const short = { ...source, bytes: async () => new Uint8Array(3) };
    await expect(readAhead(whole(short, () => {}))).rejects.toMatchObject({ code: "file-invalid" });
  });
});
