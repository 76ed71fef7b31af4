import { describe, expect, it } from "vitest";
import { type Lifetime, layOut } from "../../src/gpu/arena.ts";
import { Random } from "../../src/lib/random.ts";

function lifetime(label: string, bytes: number, first: number, last: number): Lifetime {
  return { tensor: { label, shape: [bytes / 4], bytes, inArena: true, place: undefined }, first, last };
}

describe("layOut", () => {
  it("reuses the bytes of a tensor that is no longer alive", () => {
    const layout = layOut([lifetime("a", 1024, 0, 1), lifetime("b", 1024, 2, 3)], 1 << 20, 1 << 20);
    expect(layout.chunks).toEqual([1024]);
  });

  it("never lets tensors that are alive together overlap, and opens a chunk when one is full", () => {
    const random = new Random(3);
    const lifetimes = Array.from({ length: 200 }, (_, i) => {
      const first = random.integer(50);
      return lifetime(`t${i}`, 4 * (1 + random.integer(5000)), first, first + random.integer(20));
    });
    const { slots, chunks } = layOut(lifetimes, 100_000, 100_000);
    expect(chunks.length).toBeGreaterThan(1);
    expect(Math.max(...chunks)).toBeLessThanOrEqual(100_000);
    const spans = slots.map((slot) => {
      const span = lifetimes.find((l) => l.tensor === slot.tensor);
      return {
        ...slot,
        first: span?.first ?? -1,
        last: span?.last ?? -1,
        end: slot.offset + slot.tensor.bytes,
      };
    });
    const clashes = spans.flatMap((a, i) =>
      spans
        .slice(i + 1)
        .filter((b) => a.chunk === b.chunk && a.first <= b.last && b.first <= a.last)
        .filter((b) => a.offset < b.end && b.offset < a.end),
    );
    expect(clashes).toEqual([]);
    expect(slots.every((slot) => slot.offset % 256 === 0)).toBe(true);
  });

  it("refuses a tensor that no binding can hold", () => {
    expect(() => layOut([lifetime("big", 4096, 0, 0)], 8192, 2048)).toThrow(/big needs 4096 bytes/);
  });
});
