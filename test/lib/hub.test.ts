import { describe, expect, it } from "vitest";
import { hubReference } from "../../src/lib/hub.ts";

const model = (id: string, revision: string | null = null, host: string | null = null) => ({
  ...{ kind: "model", id, revision, host },
});
const dataset = (id: string, revision: string | null = null, host: string | null = null) => ({
  ...{ kind: "dataset", id, revision, host },
});

describe("a name of a repository", () => {
  it.each([
    ["Qwen/Qwen3-0.6B", model("Qwen/Qwen3-0.6B")],
    ["  gpt2@v1.0 ", model("gpt2", "v1.0")],
    ["datasets/openai/gsm8k", dataset("openai/gsm8k")],
    ["datasets/openai/gsm8k@refs/pr/3", dataset("openai/gsm8k", "refs/pr/3")],
    ["hf://datasets/openai/gsm8k@main", dataset("openai/gsm8k", "main")],
    ["models/Qwen/Qwen3-0.6B", model("Qwen/Qwen3-0.6B")],
    ["models/gpt2", model("gpt2")],
    ["datasets/gsm8k", dataset("gsm8k")],
    ["https://huggingface.co/Qwen/Qwen3-0.6B", model("Qwen/Qwen3-0.6B", null, "huggingface.co")],
    ["https://huggingface.co/gpt2?library=x#usage", model("gpt2", null, "huggingface.co")],
    ["https://huggingface.co/gpt2/tree/main", model("gpt2", "main", "huggingface.co")],
    ["hf.co/Qwen/Qwen3-0.6B", model("Qwen/Qwen3-0.6B", null, "huggingface.co")],
    ["www.huggingface.co/Qwen/Qwen3-0.6B/", model("Qwen/Qwen3-0.6B", null, "huggingface.co")],
    ["https://hf.co/a/b/tree/refs%2Fpr%2F1", model("a/b", "refs/pr/1", "huggingface.co")],
    ["https://hf.co/a/b/tree/refs/pr/1", model("a/b", "refs/pr/1", "huggingface.co")],
    ["https://huggingface.co/a/b/blob/v2/config.json", model("a/b", "v2", "huggingface.co")],
    ["https://huggingface.co/a/b/resolve/abc123/model.safetensors", model("a/b", "abc123", "huggingface.co")],
    ["https://huggingface.co/a/b/discussions/4", model("a/b", null, "huggingface.co")],
    ["https://huggingface.co/datasets/a/b/viewer/main/train", dataset("a/b", null, "huggingface.co")],
    ["https://huggingface.co/datasets/gsm8k", dataset("gsm8k", null, "huggingface.co")],
    ["https://mirror.example/datasets/a/b/tree/main/data", dataset("a/b", "main", "mirror.example")],
    ["http://localhost:8080/a/b", model("a/b", null, "localhost:8080")],
    ["hf-mirror.com/a/b", model("a/b", null, "hf-mirror.com")],
  ])("%s", (text, expected) => {
    expect(hubReference(text)).toEqual(expected);
  });

  it.each([
    ...[
      "",
      "./model",
      "/a/b",
      "rows.jsonl",
      "a/b/c",
      "C:\\models",
      "~/x",
      "https://",
      "https://huggingface.co",
    ],
    ...[
      "https://huggingface.co/spaces/a/b",
      "https://huggingface.co/docs/hub",
      "https://huggingface.co/datasets",
    ],
    ...["https://huggingface.co/%E0%A4%A", "huggingface.co/a/.."],
  ])("is none: %s", (text) => {
    expect(hubReference(text)).toBeUndefined();
  });
});
