import { readFile } from "node:fs/promises";
import { unzipSync } from "fflate";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { readAdapter } from "../../src/formats/adapter.ts";
import { encodeFloats } from "../../src/formats/dtype.ts";
import { type ExportInput, exportFiles, exportZip } from "../../src/formats/export_bundle.ts";
import { metricsCsv, metricsJsonl } from "../../src/formats/metrics_export.ts";
import { formatModelCard } from "../../src/formats/model_card.ts";
import { openModelFolder } from "../../src/formats/model_folder.ts";
import { writeSafetensors } from "../../src/formats/safetensors.ts";
import { floatsMaker, safetensorsAsset } from "../../src/formats/safetensors_asset.ts";
import { readZipFolder, zipStream } from "../../src/formats/zip.ts";
import { memoryAsset, memoryFolder } from "../../src/host/memory.ts";

const text = (value: string) => new TextEncoder().encode(value);
const base = memoryFolder("base", {
  "config.json": text("{}"),
  "tokenizer.json": text('{"version":"1.0"}'),
  "tokenizer_config.json": text('{"eos_token":"</s>"}'),
  "chat_template.jinja": text("{{ messages }}"),
  "model.safetensors": text("weights"),
});

async function input(change: Partial<ExportInput> = {}): Promise<ExportInput> {
  const folder = "test/golden/adapters/qwen3";
  return {
    weights: {
      kind: "adapter",
      files: {
        "adapter_config.json": new Uint8Array(await readFile(`${folder}/adapter_config.json`)),
        "adapter_model.safetensors": new Uint8Array(await readFile(`${folder}/adapter_model.safetensors`)),
      },
    },
    card: {
      run: "quiet otter",
      baseModel: "Qwen/Qwen3-0.6B",
      algorithm: "grpo",
      algorithmLabel: "GRPO",
      datasets: ["arithmetic"],
      license: "apache-2.0",
      place: "the browser",
      device: "NVIDIA GeForce RTX 4090",
      steps: 120,
      settings: {
        learning_rate: 1e-5,
        target_modules: ["q_proj", "v_proj"],
        warmup_steps: null,
        note: "a|b\nc",
      },
      metrics: { reward: 0.8125, "completions/mean_length": 17.123456789 },
      versions: { aligntune: "0.1.0" },
      examplePrompt: 'What is 3 + "4"?',
    },
    config: "algorithm: grpo\n",
    state: {
      globalStep: 120,
      epoch: 1,
      maxSteps: 120,
      numTrainEpochs: 1,
      trainBatchSize: 8,
      loggingSteps: 1,
      evalSteps: null,
      saveSteps: 40,
      numInputTokensSeen: 12345,
      bestMetric: 0.9,
      bestStep: 80,
      logHistory: [{ step: 1, loss: Number.NaN, reward: 0.5 }],
    },
    base,
    ...change,
  };
}

async function drain(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function file(files: Awaited<ReturnType<typeof exportFiles>>, name: string) {
  const asset = files.find((entry) => entry.name === name);
  return new TextDecoder().decode(await asset?.read(0, asset.size));
}

describe("the export of a run", () => {
  it("is a zip with one folder of the files that PEFT and transformers look for", async () => {
    const { fileName, stream } = exportZip("Quiet Otter", "adapter", await exportFiles(await input()));
    expect(fileName).toBe("quiet-otter-adapter.zip");
    const files = unzipSync(await drain(stream));
    expect(Object.keys(files)).toEqual(
      [
        "adapter_config.json",
        "adapter_model.safetensors",
        "README.md",
        "training_config.yaml",
        "trainer_state.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
      ].map((name) => `quiet-otter-adapter/${name}`),
    );
    const weights = await readFile("test/golden/adapters/qwen3/adapter_model.safetensors");
    expect(files["quiet-otter-adapter/adapter_model.safetensors"]).toEqual(new Uint8Array(weights));
  });

  it("has the same bytes for the same run", async () => {
    const bytes = async () => drain(exportZip("a", "adapter", await exportFiles(await input())).stream);
    const first = await bytes();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await bytes()).toEqual(first);
  });

  it("opens again as an adapter", async () => {
    const { stream, fileName } = exportZip("a", "adapter", await exportFiles(await input()), 40);
    const folder = await readZipFolder(memoryAsset(fileName, await drain(stream)));
    expect(folder.name).toBe("a-step40-adapter.zip");
    expect((await readAdapter(folder)).modules.size).toBe(14);
  });

  it("has a trainer state with the keys of transformers", async () => {
    const state = JSON.parse(await file(await exportFiles(await input()), "trainer_state.json"));
    expect(state).toMatchObject({
      global_step: 120,
      best_model_checkpoint: "checkpoint-80",
      log_history: [{ step: 1, loss: null, reward: 0.5 }],
      eval_steps: null,
    });
    expect(Object.keys(state)).toEqual(Object.keys(state).sort());
  });

  it("leaves the tokenizer out when the base is out of reach, and takes another template", async () => {
    const without = await exportFiles(await input({ base: undefined }));
    expect(without).toHaveLength(5);
    expect(await file(without, "README.md")).toContain("AutoTokenizer.from_pretrained(base)");
    const other = await exportFiles(await input({ chatTemplate: "ours" }));
    expect(other.filter(({ name }) => name === "chat_template.jinja")).toHaveLength(1);
    expect(await file(other, "chat_template.jinja")).toBe("ours");
  });
});

describe("the export of a whole model", () => {
  const values = new Float32Array([1, -2, 3, 4]);
  const weights = () => {
    const make = (name: string, dtype: "F32" | "BF16") => floatsMaker({ name, shape: [2, 2] }, values, dtype);
    return safetensorsAsset("model.safetensors", [make("b", "F32"), make("a", "BF16"), make("c", "F32")]);
  };

  it("opens again as a model", async () => {
    const whole = weights();
    const files = await exportFiles(await input({ weights: { kind: "model", files: [whole] } }));
    expect(files.slice(0, 2).map(({ name }) => name)).toEqual(["config.json", "model.safetensors"]);
    expect(await file(files, "README.md")).toContain('model = AutoModelForCausalLM.from_pretrained(".")');
    const { stream, fileName } = exportZip("a", "model", files);
    const model = await openModelFolder(await readZipFolder(memoryAsset(fileName, await drain(stream))));
    expect([...model.tensors.keys()]).toEqual(["b", "c", "a"]);
    expect(await model.tensors.get("a")?.floats()).toEqual(values);
  });

  it("is the same file that is written at once, read in pieces of any size", async () => {
    const whole = weights();
    const data = encodeFloats(values, "F32");
    const tensors = ["b", "c"].map((name) => ({ name, dtype: "F32" as const, shape: [2, 2], data }));
    const a = { name: "a", dtype: "BF16" as const, shape: [2, 2], data: encodeFloats(values, "BF16") };
    const expected = writeSafetensors([...tensors, a]);
    expect(whole.size).toBe(expected.length);
    for (const size of [1, 7, 1000]) {
      const pieces: number[] = [];
      for (let at = 0; at < whole.size; at += size)
        pieces.push(...(await whole.read(at, Math.min(at + size, whole.size))));
      expect(pieces).toEqual([...expected]);
    }
    await expect(whole.read(0, whole.size + 1)).rejects.toMatchObject({ code: "file-invalid" });
  });

  it("refuses a tensor that is not of its shape", async () => {
    const short = {
      name: "a",
      dtype: "F32",
      shape: [2],
      bytes: () => Promise.resolve(new Uint8Array(4)),
    } as const;
    const whole = safetensorsAsset("model.safetensors", [short]);
    await expect(whole.read(0, whole.size)).rejects.toMatchObject({ code: "shape-mismatch" });
    expect(() => safetensorsAsset("m", [short, short])).toThrow("twice");
  });
});

describe("the model card", () => {
  it("says what it is, how to run it and how it was made", async () => {
    const card = await file(await exportFiles(await input()), "README.md");
    const [, front = ""] = card.split("---\n");
    expect(parse(front, { version: "1.1" })).toEqual({
      base_model: "Qwen/Qwen3-0.6B",
      library_name: "peft",
      pipeline_tag: "text-generation",
      model_name: "quiet otter",
      tags: ["lora", "grpo", "trl-compatible", "webgpu"],
      datasets: ["arithmetic"],
      license: "apache-2.0",
    });
    expect(card).toContain("Trained in the browser on NVIDIA GeForce RTX 4090, 120 steps.");
    expect(card).toContain('messages = [{"role": "user", "content": "What is 3 + \\"4\\"?"}]');
    expect(card).toContain("| learning_rate | 0.00001 |");
    expect(card).toContain('| target_modules | ["q_proj","v_proj"] |');
    expect(card).toContain("| note | a\\|b c |");
    expect(card).toContain("| completions/mean_length | 17.1235 |");
    expect(card).toContain("arXiv:2402.03300");
  });

  it("survives names that mean something to YAML or Markdown", async () => {
    const { card } = await input();
    const odd = { ...card, run: "no", baseModel: "1e3", datasets: ["yes", "a: b"], license: null };
    const written = formatModelCard({ ...odd, kind: "adapter", hasTokenizer: false, hasChatTemplate: false });
    const front = parse(written.split("---\n")[1] ?? "", { version: "1.1" });
    expect(front).toMatchObject({ model_name: "no", base_model: "1e3", datasets: ["yes"] });
    expect(written).toContain('inputs = tokenizer("What is 3');
  });
});

describe("metrics", () => {
  const rows = [
    { loss: 1.5, step: 1, epoch: 0.1 },
    { loss: Number.NaN, step: 2, epoch: 0.2, note: 'a "b", c\n' },
    { step: 3, "rewards/x": Number.NEGATIVE_INFINITY },
  ];

  it("are one JSON object a line", () => {
    const lines = metricsJsonl(rows).split("\n");
    expect(lines).toHaveLength(4);
    expect(JSON.parse(lines[1] ?? "")).toEqual({ loss: null, step: 2, epoch: 0.2, note: 'a "b", c\n' });
  });

  it("are a table with every column", () => {
    expect(metricsCsv(rows)).toBe(
      'step,epoch,loss,note,rewards/x\r\n1,0.1,1.5,,\r\n2,0.2,NaN,"a ""b"", c\n",\r\n3,,,,-inf\r\n',
    );
    expect(metricsCsv([])).toBe("\r\n");
  });
});

describe("a zip", () => {
  const asset = (name: string, length: number) => memoryAsset(name, new Uint8Array(length).fill(7));

  it("holds files of any size, empty ones too, and is made as it is read", async () => {
    let read = 0;
    const big = asset("big", 9 * 1024 * 1024);
    const spied = {
      ...big,
      read: (start: number, end: number) => {
        read += end - start;
        return big.read(start, end);
      },
    };
    const reader = zipStream("f", [asset("empty", 0), spied]).getReader();
    await reader.read();
    expect(read).toBe(0);
    reader.releaseLock();
    const files = unzipSync(await drain(zipStream("f", [asset("empty", 0), spied, asset("last", 3)])));
    expect(Object.entries(files).map(([name, { length }]) => [name, length])).toEqual([
      ["f/empty", 0],
      ["f/big", big.size],
      ["f/last", 3],
    ]);
  });

  it("refuses what does not fit the format", () => {
    const huge = { ...asset("huge", 1), size: 5e9 };
    expect(() => zipStream("f", [huge])).toThrow("a zip holds at most 4294967295");
  });

  it("gives a failed read to the reader", async () => {
    const lost = { ...asset("lost", 1), read: () => Promise.reject(new Error("gone")) };
    await expect(drain(zipStream("f", [lost]))).rejects.toThrow("gone");
  });

  it("that is damaged, too large or ambiguous is refused", async () => {
    const bytes = await drain(zipStream("f", [asset("a", 1000)]));
    const open = (content: Uint8Array<ArrayBuffer>, limit?: number) =>
      readZipFolder(memoryAsset("z.zip", content), limit);
    await expect(open(new Uint8Array())).rejects.toMatchObject({ code: "file-invalid" });
    await expect(open(bytes.slice(0, 500))).rejects.toMatchObject({ code: "file-invalid" });
    await expect(open(text("plain text, no zip at all"))).rejects.toThrow("z.zip: it is no sound zip file");
    await expect(open(bytes, 100)).rejects.toThrow("at most 100 are read");
    const twice = await drain(zipStream("f", [asset("a", 1), asset("b/a", 1)]));
    await expect(open(twice)).rejects.toThrow("two files called a");
  });
});
