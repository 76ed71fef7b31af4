import { describe, expect, it } from "vitest";
import { embeddingTables } from "../../../src/kernels/embedding/tables.ts";

describe("embeddingTables", () => {
  it("lists each id once, ascending, with its tokens in order", () => {
    const { unique, starts, order } = embeddingTables(Uint32Array.of(5, 2, 4294967295, 2, 5, 2));
    expect([...unique]).toEqual([2, 5, 4294967295]);
    expect([...starts]).toEqual([0, 3, 5, 6]);
    expect([...order]).toEqual([1, 3, 5, 0, 4, 2]);
  });

  it("is empty for no tokens", () => {
    const { unique, starts, order } = embeddingTables(new Uint32Array(0));
    expect([unique.length, [...starts], order.length]).toEqual([0, [0], 0]);
  });
});
