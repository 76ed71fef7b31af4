import type { Adapter } from "../formats/adapter.ts";
import { adapterScale } from "../formats/adapter_config.ts";
import { type GgufTensor, type GgufValue, readGguf, writeGguf } from "../formats/gguf.ts";
import type { Asset } from "../host/host.ts";
import { AppError } from "../lib/errors.ts";
import type { ModelSpec } from "./spec.ts";

/**
 * What llama.cpp calls each architecture (general.architecture of the base and of its adapters), and whether its base has the
 * rows of q and k interleaved. Source: llama.cpp, convert_hf_to_gguf.py, which reads Mistral as Llama.
 */
const ARCHITECTURES: Readonly<Record<string, { readonly name: string; readonly interleaved?: true }>> = {
  llama: { name: "llama", interleaved: true },
  mistral: { name: "llama", interleaved: true },
  qwen2: { name: "qwen2" },
  qwen3: { name: "qwen3" },
  gemma2: { name: "gemma2" },
  gemma3_text: { name: "gemma3" },
  phi3: { name: "phi3" },
  gpt2: { name: "gpt2" },
};

/** Our module paths by their end, and llama.cpp's tensors. Source: llama.cpp, gguf-py/gguf/tensor_mapping.py. */
const TENSOR: Readonly<Record<string, string>> = {
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  "self_attn.qkv_proj": "attn_qkv",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.gate_up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
  "attn.c_attn": "attn_qkv",
  "attn.c_proj": "attn_output",
  "mlp.c_fc": "ffn_up",
  "mlp.c_proj": "ffn_down",
};

/** The name of a module's matrix in llama.cpp, such as blk.0.attn_q.weight; undefined when it has none. */
export function ggufTensorName(path: string): string | undefined {
  const [, layer, part] = /^(?:model\.layers|transformer\.h)\.(\d+)\.(.+)$/.exec(path) ?? [];
  const name = part === undefined || !Object.hasOwn(TENSOR, part) ? undefined : TENSOR[part];
  return name && `blk.${layer}.${name}.weight`;
}

/**
 * Rows of each head as llama.cpp has them: its rotary embedding of this architecture turns neighbours (2i, 2i + 1), and that
 * of the Hugging Face file turns the halves (i, i + D/2). Source: llama.cpp, LlamaModel.permute.
 */
export function interleaveHeads(b: Float32Array, heads: number, rank: number): Float32Array<ArrayBuffer> {
  const rows = b.length / rank;
  const half = rows / heads / 2;
  const result = new Float32Array(b.length);
  for (let head = 0; head < heads; head++) {
    for (let side = 0; side < 2; side++) {
      for (let i = 0; i < half; i++) {
        const from = (head * 2 * half + side * half + i) * rank;
        result.set(b.subarray(from, from + rank), (head * 2 * half + 2 * i + side) * rank);
      }
    }
  }
  return result;
}

/**
 * The adapter as one file for llama.cpp's --lora, read back before it is handed out. llama.cpp multiplies B A by alpha / r;
 * with rsLoRA the alpha written is alpha sqrt(r), so that the product is the run's. Matrices are (out, in) in every GGUF,
 * GPT-2's too, so its A and B stay as PEFT has them. Throws `adapter-unsupported` for an architecture or a module
 * without a place in llama.cpp, and for alpha 0, which it reads as "no scale"; `export-invalid` when the file does not read back.
 * Source: llama.cpp, convert_lora_to_gguf.py and src/llama-adapter.cpp.
 */
export async function ggufAdapter(name: string, spec: ModelSpec, adapter: Adapter): Promise<Asset> {
  const architecture = architectureOf(spec);
  if (!architecture) throw refuse(`llama.cpp's name for models of type ${spec.modelType} is not known here`);
  const { r } = adapter.config;
  const alpha = adapterScale(adapter.config) * r;
  if (alpha === 0) throw refuse("its lora_alpha is 0, which llama.cpp takes for 1 / r of nothing at all");
  const values = new Map<string, GgufValue>([
    ["general.architecture", { type: "string", value: architecture.name }],
    ["general.type", { type: "string", value: "adapter" }],
    ["adapter.type", { type: "string", value: "lora" }],
    ["adapter.lora.alpha", { type: "f32", value: alpha }],
    ["general.quantization_version", { type: "u32", value: 2 }],
  ]);
  const tensors: GgufTensor[] = [];
  for (const [path, { a, b }] of adapter.modules) {
    const tensor = ggufTensorName(path);
    if (tensor === undefined) throw refuse(`llama.cpp has no place for ${path}`);
    tensors.push({ name: `${tensor}.lora_a`, shape: a.shape, data: await a.floats() });
    const up = await b.floats();
    tensors.push({ name: `${tensor}.lora_b`, shape: b.shape, data: rowsFor(spec, path, up, r) });
  }
  const file = writeGguf(name, values, tensors);
  await verify(file, values, tensors);
  return file;
}

function architectureOf({ modelType }: ModelSpec) {
  return Object.hasOwn(ARCHITECTURES, modelType) ? ARCHITECTURES[modelType] : undefined;
}

function rowsFor(
  spec: ModelSpec,
  path: string,
  b: Float32Array<ArrayBuffer>,
  rank: number,
): Float32Array<ArrayBuffer> {
  if (!architectureOf(spec)?.interleaved) return b;
  if (path.endsWith(".q_proj")) return interleaveHeads(b, spec.heads, rank);
  if (path.endsWith(".k_proj")) return interleaveHeads(b, spec.kvHeads, rank);
  return b;
}

async function verify(
  file: Asset,
  values: ReadonlyMap<string, GgufValue>,
  tensors: readonly GgufTensor[],
): Promise<void> {
  const read = await readGguf(file);
  const sameValues = [...values].every(([key, { value }]) => {
    const found = read.values.get(key)?.value;
    return found === (typeof value === "number" ? Math.fround(value) : value);
  });
  const sameTensors = tensors.every(({ name, shape, data }, i) => {
    const found = read.tensors[i];
    return (
      found?.name === name &&
      found.shape.join() === shape.join() &&
      data.every((x, j) => Object.is(x, found.data[j]))
    );
  });
  if (sameValues && sameTensors && read.tensors.length === tensors.length) return;
  throw new AppError(
    "export-invalid",
    `${file.name} does not read back as it was written, so it was not saved. Nothing is lost: the run is as it was.`,
  );
}

function refuse(why: string): AppError {
  return new AppError(
    "adapter-unsupported",
    `This adapter cannot be saved for llama.cpp: ${why}. The merged model can be converted with llama.cpp's convert_hf_to_gguf.py instead.`,
  );
}
