import { cpSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { serveUploads, TOKEN } from "../hub/uploads.ts";
import { copyProgram, type Ended, type Program, ROOT } from "./cli_program.ts";

const STEPS = 10;
const CONFIG = `model_name: aligntune-tiny
dataset_name: rows.jsonl
max_steps: ${STEPS}
batch_size: 2
max_seq_length: 32
lora_rank: 4
lora_dropout: 0.1
save_strategy: steps
save_steps: 2
eval_strategy: "no"
sample_every: 4
sample_max_new_tokens: 4
sample_prompts: ["Who is Tom?"]
`;
/** Bytes that the logs fit in, and a checkpoint does not. */
const TIGHT = 64 * 1024;

let program: Program;
/** The run that nothing interrupted. */
let whole: Ended;

beforeAll(async () => {
  program = copyProgram();
  program.write("run.yaml", CONFIG);
  const rows = Array.from({ length: 24 }, (_, i) =>
    JSON.stringify({ prompt: `Who is ${i}?`, completion: `Ahoy, ${i}!` }),
  );
  program.write("rows.jsonl", rows.join("\n"));
  whole = await program.run(train("whole"));
});

afterAll(() => program.remove());

function train(output: string): string[] {
  return ["train", "--json", "--config", "run.yaml", "--output", output];
}

function resume(output: string): string[] {
  return ["train", "--json", "--resume", "--output", output];
}

function read(path: string): string {
  return readFileSync(join(program.folder, path), "latin1");
}

/** What a run hands out. Its place in time is not part of it, so all of it can be compared. */
function result(output: string): Record<string, string> {
  const files = [
    "adapter_model.safetensors",
    "adapter_config.json",
    "metrics.jsonl",
    "samples.jsonl",
    "trainer_state.json",
  ];
  return Object.fromEntries(files.map((file) => [file, read(`${output}/${file}`)]));
}

function last(ended: Ended): unknown {
  return ended.lines().at(-1);
}

describe("a run of the command line", { timeout: 120_000 }, () => {
  it("says its metrics and samples as JSON lines, and ends with 0", () => {
    expect([whole.code, last(whole)]).toEqual([
      0,
      {
        ...{ state: "done", step: STEPS, output: "whole", reason: null },
        gpu_memory: { planned: expect.any(Number), peak: expect.any(Number) },
      },
    ]);
    const metrics = whole.lines().filter((line) => "loss" in line);
    expect(metrics.map((line) => line["step"])).toEqual(Array.from({ length: STEPS }, (_, i) => i + 1));
    for (const name of ["grad_norm", "learning_rate", "epoch", "num_tokens", "mean_token_accuracy"])
      expect(metrics[0]).toHaveProperty(name);
    const samples = whole.lines().filter((line) => "samples" in line);
    expect(samples.map((line) => line["step"])).toEqual([0, 4, 8, STEPS]);
    expect(samples[0]).toMatchObject({ samples: [{ prompt: "Who is Tom?", answer: expect.any(String) }] });
  });

  it("leaves the files that other tools read, and nothing half-written", () => {
    const files = readdirSync(join(program.folder, "whole"));
    expect(files.filter((name) => name.startsWith(".") || name.endsWith(".new"))).toEqual([]);
    expect(files).toEqual(
      expect.arrayContaining([
        ...[
          "README.md",
          "adapter_config.json",
          "adapter_model.safetensors",
          "metrics.jsonl",
          "samples.jsonl",
        ],
        ...["trainer_state.json", "training_config.yaml", "tokenizer.json", "checkpoint-10"],
      ]),
    );
    const rows = read("whole/metrics.jsonl")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(rows).toEqual(whole.lines().filter((line) => "loss" in line));
  });

  it("does not start over what is there", async () => {
    const ended = await program.run(train("whole"));
    expect([ended.code, last(ended)]).toMatchObject([
      2,
      { error: { message: expect.stringContaining("--resume") } },
    ]);
    expect(JSON.parse(read("whole/trainer_state.json")).global_step).toBe(STEPS);
  });

  it("saves at Ctrl-C and exits 130, loses nothing to a full disk, and then ends in the same bytes", async () => {
    const stopped = await program.runAndSignal(
      train("stopped"),
      "SIGINT",
      ({ step, loss }) => step === 3 && loss !== undefined,
    );
    expect([stopped.code, last(stopped)]).toMatchObject([130, { state: "paused", reason: "interrupted" }]);
    const checkpoints = readdirSync(join(program.folder, "stopped")).filter((name) =>
      name.startsWith("checkpoint-"),
    );

    const full = await program.run(resume("stopped"), TIGHT);
    expect([full.code, last(full)]).toMatchObject([2, { error: { code: "storage-full" } }]);
    const after = readdirSync(join(program.folder, "stopped")).filter((name) => name.includes("checkpoint-"));
    expect(after).toEqual(checkpoints);

    const resumed = await program.run(resume("stopped"));
    expect([resumed.code, last(resumed)]).toMatchObject([0, { state: "done", step: STEPS }]);
    expect(result("stopped")).toEqual(result("whole"));
  });

  it("ends in the same bytes after it was killed", async () => {
    const killed = await program.runAndSignal(
      train("killed"),
      "SIGKILL",
      ({ step, loss }) => step === 5 && loss !== undefined,
    );
    expect(killed.code).toBe(null);
    const resumed = await program.run(resume("killed"));
    expect([resumed.code, last(resumed)]).toMatchObject([0, { state: "done", step: STEPS }]);
    expect(result("killed")).toEqual(result("whole"));
  });

  it("keeps every file when a resume is refused", async () => {
    cpSync(join(program.folder, "whole"), join(program.folder, "kept"), { recursive: true });
    const ended = await program.run([...resume("kept"), "--set", "lora_rank=8"]);
    expect([ended.code, last(ended)]).toMatchObject([2, { error: { code: "checkpoint-invalid" } }]);
    expect(result("kept")).toEqual(result("whole"));
  });
});

describe.concurrent("the other commands", { timeout: 60_000 }, () => {
  it("validate shows every value and where it came from", async () => {
    const bound = ["--memory", "--set", "gpu_memory_gb=0.001"];
    const ended = await program.run([
      ...["validate", "--json", "--config", "run.yaml", "--set", "seed=7", ...bound],
    ]);
    expect(ended.code, "it takes more than that").toBe(1);
    const [values, plan, advice] = ended.lines();
    expect(plan).toMatchObject({
      gpu_memory: { total: expect.any(Number), parts: { Gradients: expect.any(Number) } },
    });
    expect(advice).toMatchObject({
      advice: expect.arrayContaining([
        expect.objectContaining({ change: expect.objectContaining({ forward_batch_size: 1 }), fits: false }),
      ]),
    });
    expect(values).toMatchObject({
      valid: true,
      algorithm: "sft",
      values: {
        seed: { value: 7, source: "override" },
        lora_rank: { value: 4, source: "file" },
        lora_alpha: { source: "default" },
      },
    });
  });

  it("recipes prints one that validate takes", async () => {
    const { stdout } = await program.run(["recipes", "demo-sft"]);
    program.write("recipe.yaml", stdout);
    expect((await program.run(["validate", "--config", "recipe.yaml"])).code).toBe(0);
  });

  it("generate answers the same way twice, and another way with an adapter's noise", async () => {
    const ask = ["generate", "--json", "--model", "aligntune-tiny", "--max-new-tokens", "12"];
    program.write(
      "prompts.jsonl",
      `{"prompt":"Which food does Tom like?"}\n{"messages":[{"role":"user","content":"7 plus 5"}]}`,
    );
    const [first, second, drawn] = await Promise.all([
      program.run([...ask, "--prompts", "prompts.jsonl"]),
      program.run([...ask, "--prompts", "prompts.jsonl"]),
      program.run([
        ...ask,
        "--prompt",
        "Who is Tom?",
        "--adapter",
        "whole",
        "--samples",
        "2",
        "--temperature",
        "2",
      ]),
    ]);
    expect(first.code, first.stdout).toBe(0);
    expect(first.stdout).toBe(second.stdout);
    expect(first.lines()[0]).toMatchObject({
      prompt: "Which food does Tom like?",
      text: expect.any(String),
      ids: expect.any(Array),
      stopped: expect.stringMatching(/end|length/),
    });
    expect(drawn.lines()).toMatchObject([{ sample: 0 }, { sample: 1 }]);
  });

  it("generate streams one answer for people", async () => {
    const ask = ["generate", "--model", "aligntune-tiny", "--prompt", "Which food does Tom like?"];
    const [shown, told] = await Promise.all([program.run(ask), program.run([...ask, "--json"])]);
    expect(shown.stdout).toBe(`${told.lines()[0]?.["text"]}\n`);
  });

  it("evaluate measures the held-out rows, with an adapter too", async () => {
    const ask = ["evaluate", "--json", "--config", "run.yaml", "--set", "val_split_ratio=0.25"];
    const [base, tuned] = await Promise.all([program.run(ask), program.run([...ask, "--adapter", "whole"])]);
    expect([base.code, tuned.code]).toEqual([0, 0]);
    const loss = (ended: Ended) => Number(ended.lines().at(-1)?.["eval_loss"]);
    expect(loss(tuned)).toBeLessThan(loss(base));
  });

  it("export writes a model that answers as base and adapter do, and an adapter for llama.cpp", async () => {
    const merged = await program.run([
      "export",
      "whole",
      "--merged",
      "--dtype",
      "f32",
      "--output",
      "merged",
      "--json",
    ]);
    expect([merged.code, last(merged)], merged.stderr).toMatchObject([
      0,
      { state: "done", output: "merged" },
    ]);
    const ask = ["generate", "--json", "--max-new-tokens", "8", "--prompt", "Who is Tom?", "--model"];
    const [tuned, whole] = await Promise.all([
      program.run([...ask, "aligntune-tiny", "--adapter", "whole"]),
      program.run([...ask, "merged"]),
    ]);
    expect(whole.lines()[0]?.["ids"]).toEqual(tuned.lines()[0]?.["ids"]);
    const gguf = await program.run(["export", "whole/checkpoint-10", "--gguf", "--output", "whole.gguf"]);
    expect([gguf.code, read("whole.gguf").slice(0, 4)]).toEqual([0, "GGUF"]);
    const again = await program.run(["export", "whole", "--merged", "--output", "merged", "--json"]);
    expect([again.code, last(again)]).toMatchObject([2, { error: { code: "config-invalid" } }]);
  });

  it("upload puts the result of a run, and nothing else, into a private repository", async () => {
    const hub = await serveUploads();
    const ask = ["upload", "whole", "--json", "--repo", "ada/whole"];
    // HF_ENDPOINT may be a mirror: the token goes only where the command itself says.
    const env = { HF_HUB_OFFLINE: "", HF_TOKEN: TOKEN, HF_ENDPOINT: "http://127.0.0.1:9" };
    const ended = await program.run([...ask, "--endpoint", hub.url], undefined, env);
    expect([ended.code, last(ended)], ended.stderr).toMatchObject([
      0,
      { repo: "ada/whole", url: `${hub.url}/ada/whole` },
    ]);
    const made = hub.repositories.get("ada/whole");
    expect(made?.isPrivate).toBe(true);
    expect(made?.files.get("adapter_model.safetensors")?.toString("latin1")).toBe(
      read("whole/adapter_model.safetensors"),
    );
    expect([...(made?.files.keys() ?? [])].filter((name) => /jsonl|checkpoint/.test(name))).toEqual([]);
    const mirror = await program.run([...ask, "--endpoint", "https://hf-mirror.com"], undefined, env);
    expect([mirror.code, last(mirror)]).toMatchObject([2, { error: { code: "config-invalid" } }]);
    await hub.close();
  });

  it("parity: adapters that train exported have the logits that PEFT computed with them", async () => {
    const ended = await program.parity([join(ROOT, "test/golden"), "--only", "forward-peft"]);
    expect([ended.code, ended.stdout], ended.stderr).toEqual([
      0,
      expect.stringContaining("2 passed, 0 failed"),
    ]);
  });

  it("diagnose names the adapter from where the program was copied to", async () => {
    const ended = await program.run(["diagnose", "--json", "--default-limits"]);
    const limits = { maxStorageBufferBindingSize: 2 ** 27, maxBufferSize: 2 ** 28 };
    expect([ended.code, last(ended)]).toMatchObject([
      0,
      { node: process.version, kind: expect.stringMatching(/cpu|gpu/), limits },
    ]);
  });
});
