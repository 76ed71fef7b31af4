import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  configWith,
  copyProgram,
  exists,
  MODEL,
  modelWith,
  type Program,
  safetensors,
} from "./cli_program.ts";

let program: Program;

beforeAll(() => {
  program = copyProgram();
});

afterAll(() => program.remove());

const ROW = { prompt: "Hi?", completion: "Ahoy." };
const WEIGHTS = readFileSync(join(MODEL, "model.safetensors"));
const KEY = "base_model.model.model.layers.0.self_attn.q_proj";
const A = "lora_A.weight";

function jsonl(...rows: unknown[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
}

/** One tensor of a file that lies about where it is. */
function tensor(shape: readonly number[], start: number, end: number) {
  return { dtype: "F32", shape, data_offsets: [start, end] };
}

function weights(header: unknown, bytes: number, length?: bigint) {
  return (name: string) => {
    const model = modelWith(program, `models/${name}`, {
      "model.safetensors": safetensors(header, bytes, length),
    });
    return [`model_name=${model}`];
  };
}

function data(...rows: unknown[]) {
  return (name: string) => [`dataset_name=${program.write(`data/${name}.jsonl`, jsonl(...rows))}`];
}

function adapter(config: Readonly<Record<string, unknown>>, header: unknown = {}, bytes = 0) {
  return (name: string) => {
    const plain = { peft_type: "LORA", r: 4, lora_alpha: 8, target_modules: ["q_proj", "embed_tokens"] };
    program.write(`adapters/${name}/adapter_config.json`, JSON.stringify({ ...plain, ...config }));
    program.write(`adapters/${name}/adapter_model.safetensors`, safetensors(header, bytes));
    return [`adapter_name_or_path=adapters/${name}`];
  };
}

/** What it is, the settings that make it (given the case's name), the error's code, and words of its message. */
const CASES: readonly [string, (name: string) => readonly string[], string, readonly string[]][] = [
  ["unknown key", () => ["lora_rnk=4"], "config-invalid", ["lora_rnk", "lora_rank"]],
  ["wrong type", () => ["learning_rate=fast"], "config-invalid", ["learning_rate", "fast"]],
  ["value out of range", () => ["lora_rank=0"], "config-invalid", ["lora_rank", "0"]],
  ["unknown algorithm", () => ["algorithm=sarsa"], "config-invalid", ["algorithm", "sarsa"]],
  ["no such dataset", () => ["dataset_name=nowhere.jsonl"], "file-missing", ["nowhere.jsonl"]],
  ["empty dataset", data(), "dataset-invalid", ["empty"]],
  ["missing column", data({ colour: "blue" }), "dataset-invalid", ["colour"]],
  [
    "bad JSON line",
    (name) => [`dataset_name=${program.write(`data/${name}.jsonl`, `${jsonl(ROW)}{"prompt": \n`)}`],
    "dataset-invalid",
    ["2", "JSON"],
  ],
  [
    "truncated weights",
    (name) => [
      `model_name=${modelWith(program, `models/${name}`, { "model.safetensors": WEIGHTS.subarray(0, 99_000) })}`,
    ],
    "file-invalid",
    ["model.safetensors", "cut short"],
  ],
  ["offsets outside the file", weights({ w: tensor([4], 0, 16) }, 8), "file-invalid", ["w", "16", "8"]],
  [
    "overlapping tensors",
    weights({ a: tensor([4], 0, 16), b: tensor([4], 8, 24) }, 24),
    "file-invalid",
    ["b starts at byte 8", "inside a"],
  ],
  ["huge header", weights({}, 0, 2n ** 60n), "file-invalid", ["header", "1152921504606846976"]],
  [
    "shape that does not fit config.json",
    (name) => [
      `model_name=${modelWith(program, `models/${name}`, { "config.json": configWith({ intermediate_size: 400 }) })}`,
    ],
    "model-invalid",
    ["400", "384"],
  ],
  [
    "unsupported architecture",
    (name) => [
      `model_name=${modelWith(program, `models/${name}`, {
        "config.json": configWith({ architectures: ["BertForMaskedLM"], model_type: "bert" }),
      })}`,
    ],
    "model-unsupported",
    ["bert"],
  ],
  [
    "adapter for another model",
    adapter(
      {},
      { [`${KEY}.${A}`]: tensor([4, 8], 0, 128), [`${KEY}.lora_B.weight`]: tensor([8, 4], 128, 256) },
      256,
    ),
    "adapter-unsupported",
    ["q_proj", "does not fit this model"],
  ],
  [
    "adapter for another architecture",
    adapter(
      { target_modules: ["c_attn"], base_model_name_or_path: "gpt2" },
      {
        "base_model.model.transformer.h.0.attn.c_attn.lora_A.weight": tensor([4, 8], 0, 128),
        "base_model.model.transformer.h.0.attn.c_attn.lora_B.weight": tensor([24, 4], 128, 512),
      },
      512,
    ),
    "adapter-unsupported",
    ["transformer.h.0.attn.c_attn", "gpt2", "does not fit this model"],
  ],
  [
    "adapter in place of a model",
    (name) => [...adapter({})(name), `model_name=adapters/${name}`],
    "file-missing",
    ["It is an adapter", "adapter_name_or_path"],
  ],
  ["DoRA", adapter({ use_dora: true }), "adapter-unsupported", ["use_dora", "DoRA"]],
  ["rank_pattern", adapter({ rank_pattern: { q_proj: 2 } }), "adapter-unsupported", ["rank_pattern"]],
  ["modules_to_save", adapter({ modules_to_save: ["lm_head"] }), "adapter-unsupported", ["modules_to_save"]],
  [
    "adapter on embeddings",
    adapter({}, { "base_model.model.model.embed_tokens.lora_embedding_A": tensor([4, 8], 0, 128) }, 128),
    "adapter-unsupported",
    ["embeddings"],
  ],
  [
    "device too small",
    (name) => [
      `dataset_name=${program.write(`data/${name}.jsonl`, jsonl(...Array.from({ length: 2100 }, () => ({ text: "1 2 3 4 ".repeat(60) }))))}`,
      ...["max_seq_length=256", "batch_size=2100", "eval_strategy=no"],
    ],
    // 2 GB in one piece, which is more than any device is asked for.
    "gpu-out-of-memory",
    ["in one piece", "smaller batch"],
  ],
];

describe.concurrent("train refuses", { timeout: 60_000 }, () => {
  it.each(CASES)("%s, and writes nothing", async (name, settings, code, words) => {
    const output = `runs/${name.replaceAll(" ", "-")}`;
    const base = ["model_name=aligntune-tiny", "dataset_name=ahoy", "max_steps=1"];
    const sets = [...base, ...settings(name.replaceAll(" ", "-"))].flatMap((pair) => ["--set", pair]);
    const ended = await program.run(["train", "--json", "--output", output, ...sets]);
    const { error } = ended.lines().at(-1) as { error: { code: string; message: string } };
    expect({ exit: ended.code, code: error.code }, error.message).toEqual({ exit: 2, code });
    for (const word of words) expect(error.message).toContain(word);
    expect(exists(program, output)).toBe(false);
  });

  it("a folder with a file that the run would overwrite", async () => {
    program.write("taken/README.md", "mine");
    const ended = await program.run(["train", "--recipe", "demo-sft", "--output", "taken"]);
    expect([ended.code, ended.stderr]).toEqual([2, expect.stringContaining("README.md")]);
    expect(readdirSync(join(program.folder, "taken"))).toEqual(["README.md"]);
    expect(readFileSync(join(program.folder, "taken/README.md"), "utf8")).toBe("mine");
  });

  it("words that it does not know", async () => {
    const answers = await Promise.all([
      program.run(["trian", "--recipe", "demo-sft"]),
      program.run(["train", "--recipee", "demo-sft"]),
      program.run(["validate", "--recipe", "demo"]),
      program.run(["train", "--resume", "--output", "nowhere"]),
      program.run(["generate", "--model", "aligntune-tiny", "--prompt", "Hi", "--top-p", "2"]),
    ]);
    expect(answers.map(({ code }) => code)).toEqual([2, 2, 2, 2, 2]);
    const words = ["trian", "--recipee", "demo-sft", "nowhere", "top_p"];
    expect(answers.map(({ stderr }, i) => stderr.includes(words[i] ?? "?"))).toEqual(words.map(() => true));
  });
});
