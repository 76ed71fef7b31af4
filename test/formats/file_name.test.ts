import { describe, expect, it } from "vitest";
import { safeFileName, safeStem } from "../../src/formats/file_name.ts";

describe("file names", () => {
  it.each([
    ["Qwen/Qwen3-0.6B gsm8k", "qwen-qwen3-0.6b-gsm8k"],
    ["Ünïcode – ñame", "unicode-name"],
    ["../../etc/passwd", "etc-passwd"],
    ["CON", "run-con"],
    ["nul.txt", "run-nul.txt"],
    ["console", "console"],
    ["name...", "name"],
    ["   ", "run"],
    ["日本", "run"],
    ["a\u0000b\nc", "a-b-c"],
  ])("%j becomes %s", (text, name) => {
    expect(safeStem(text)).toBe(name);
  });

  it("carry step and kind and stay within 100 characters", () => {
    expect(safeFileName("quiet-otter", "adapter", "zip")).toBe("quiet-otter-adapter.zip");
    expect(safeFileName("quiet-otter", "checkpoint", "zip", 120)).toBe("quiet-otter-step120-checkpoint.zip");
    const long = safeFileName("x".repeat(300), "metrics", "jsonl", 7);
    expect(long).toHaveLength(100);
    expect(long).toMatch(/^x+-step7-metrics\.jsonl$/);
  });
});
