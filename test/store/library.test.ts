import { describe, expect, it } from "vitest";
import type { StoredRepository } from "../../src/protocol/hub.ts";
import { isArriving, secondsLeft, withProgress } from "../../src/store/downloads.ts";
import { canUpdate, inOrder } from "../../src/store/library.ts";
import { alternativesTo, MODELS, openInsteadOf } from "../../src/ui/hub/suggestions.ts";
import { aboutBytes, downloadWords, licenceWords, pageOf } from "../../src/ui/hub/words.ts";

const entry = (change: Partial<StoredRepository>): StoredRepository => ({
  ...{ key: "k", kind: "model", id: "a/b", commit: "c0ffee", revision: "main", host: "huggingface.co" },
  ...{ bytes: 1, totalBytes: 2, complete: false, lastUsed: 1, files: [] },
  ...change,
});

describe("a download", () => {
  it("keeps its last rate, and says how long it still takes", () => {
    const first = withProgress({ byKey: {} }, { key: "k", name: "Qwen/X", done: 10, total: 100, rate: 5 });
    const { byKey } = withProgress(first, { key: "k", name: "Qwen/X", done: 40, total: 100 });
    expect(byKey["k"]).toEqual({ key: "k", name: "Qwen/X", done: 40, total: 100, rate: 5 });
    expect(secondsLeft({ key: "k", name: "Qwen/X", done: 40, total: 100, rate: 5 })).toBe(12);
    expect(secondsLeft({ key: "k", name: "Qwen/X", done: 40, total: 100 })).toBeNull();
    expect(isArriving({ key: "k", name: "", done: 100, total: 100 })).toBe(false);
  });
});

describe("what is stored", () => {
  it("is listed with models first and those used last on top", () => {
    const list = [
      entry({ id: "d", kind: "dataset", lastUsed: 9 }),
      entry({ id: "old" }),
      entry({ id: "new", lastUsed: 5 }),
    ];
    expect(inOrder(list).map(({ id }) => id)).toEqual(["new", "old", "d"]);
  });

  it("can be newer where a branch of this hub led to it", () => {
    expect(canUpdate(entry({}))).toBe(true);
    expect(canUpdate(entry({ revision: null }))).toBe(false);
    expect(canUpdate(entry({ host: "hf-mirror.com" }))).toBe(false);
  });
});

describe("words about a model of the hub", () => {
  it("say how much has to come", () => {
    const bytes = 1.5e9;
    expect(downloadWords({ bytes, storedBytes: bytes, complete: true })).toMatch(/no download needed/);
    expect(downloadWords({ bytes, storedBytes: 0, complete: false })).toMatch(/none of it/);
    expect(downloadWords({ bytes, storedBytes: 5e8, complete: false })).toBe(
      "1.5 GB, 500.0 MB of it on this device already",
    );
    expect(aboutBytes(270e6)).toBe("270 MB");
  });

  it("name its licence and its page", () => {
    expect(licenceWords("apache-2.0")).toBe("Apache 2.0");
    expect(licenceWords("toString")).toBe("toString");
    expect(licenceWords(null)).toBe("No licence given");
    expect(pageOf("https://huggingface.co", "dataset", "a/b")).toBe("https://huggingface.co/datasets/a/b");
  });

  it("offer the nearest that is open to everyone", () => {
    expect(alternativesTo(["gpt2", "llama"])[0]?.modelType).toBe("gpt2");
    expect(openInsteadOf("meta-llama/Llama-3.2-1B-Instruct")[0]?.id).toBe("Qwen/Qwen3-0.6B");
    expect(openInsteadOf("someone/else")).toHaveLength(2);
    expect(alternativesTo([]).length).toBeGreaterThan(1);
    expect(alternativesTo(MODELS.map(({ modelType }) => modelType)).every(({ gated }) => !gated)).toBe(true);
  });
});
