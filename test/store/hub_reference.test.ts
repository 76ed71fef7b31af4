import { describe, expect, it } from "vitest";
import { nameWith, readName } from "../../src/store/hub_reference.ts";
import { joinSplit, readSlice, splitParts } from "../../src/ui/setup/split_text.ts";

describe("what is typed into the field of the hub", () => {
  it.each([
    ["Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B", null],
    [" Qwen/Qwen3-0.6B@v1 ", "Qwen/Qwen3-0.6B", "v1"],
    ["https://huggingface.co/Qwen/Qwen3-0.6B/tree/main", "Qwen/Qwen3-0.6B", "main"],
    ["gpt2", "gpt2", null],
  ])("%s is a model", (text, name, revision) => {
    expect(readName(text, "model")).toEqual({ name, revision });
  });

  it("is a dataset, with its revision in its name", () => {
    const read = readName("https://huggingface.co/datasets/openai/gsm8k/tree/v2", "dataset");
    expect(read).toEqual({ name: "openai/gsm8k", revision: "v2" });
    expect(nameWith("openai/gsm8k", "v2")).toBe("openai/gsm8k@v2");
    expect(nameWith("openai/gsm8k", null)).toBe("openai/gsm8k");
    expect(readName("openai/gsm8k", "dataset")).toEqual({ name: "openai/gsm8k", revision: null });
  });

  it("is offered for the other place when it is an address of the other kind", () => {
    const read = readName("https://huggingface.co/datasets/openai/gsm8k", "model");
    expect(read).toMatchObject({
      problem: expect.stringMatching(/address of a dataset/),
      other: { id: "openai/gsm8k" },
    });
    expect(readName("https://huggingface.co/Qwen/Qwen3-0.6B", "dataset")).toHaveProperty("other");
  });

  it("is refused with the form of names otherwise", () => {
    expect(readName("a b c", "model")).toMatchObject({ problem: expect.stringMatching(/owner\/name/) });
  });
});

describe("a split and its rows", () => {
  it("are two fields and one setting", () => {
    expect(splitParts("train[:100]")).toEqual({ name: "train", slice: ":100" });
    expect(splitParts("test")).toEqual({ name: "test", slice: "" });
    expect(joinSplit({ name: "train", slice: "10%:20%" })).toBe("train[10%:20%]");
    expect(joinSplit({ name: "train", slice: "" })).toBe("train");
  });

  it.each([
    [":100", ":100"],
    ["[:100]", ":100"],
    ["train[50:]", "50:"],
    ["100", ":100"],
    ["10%", ":10%"],
    ["-5 :", "-5:"],
    ["", ""],
    [":", ""],
    ["some", null],
    ["1:2:3", null],
  ])("rows %j are %j", (text, slice) => expect(readSlice(text)).toBe(slice));
});
