import { type ModelFolder, openModelFolder } from "../../formats/model_folder.ts";
import { type TensorInfo, writeSafetensors } from "../../formats/safetensors.ts";
import { memoryFolder } from "../../host/memory.ts";
import { Random } from "../../lib/random.ts";
import { readModelSpec } from "../../model/registry.ts";
import { type ModelSpec, projectionsOf } from "../../model/spec.ts";

/** A Qwen3 of a million parameters, as its config.json says it. */
function configOf(layers: number): Readonly<Record<string, unknown>> {
  return {
    architectures: ["Qwen3ForCausalLM"],
    model_type: "qwen3",
    vocab_size: 2048,
    hidden_size: 128,
    intermediate_size: 384,
    num_hidden_layers: layers,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 32,
    rms_norm_eps: 1e-6,
    rope_theta: 1e6,
    tie_word_embeddings: true,
    max_position_embeddings: 1024,
    hidden_act: "silu",
    torch_dtype: "float32",
  };
}

function shapesOf(spec: ModelSpec): [name: string, shape: readonly number[]][] {
  const norms = spec.layers.flatMap(({ inputNorm, mlpNorm }) => [inputNorm, mlpNorm]);
  const headNorms = spec.layers.flatMap(({ qNorm, kNorm }) => [qNorm ?? [], kNorm ?? []].flat());
  return [
    [spec.embedding, [spec.vocab, spec.hidden]],
    ...projectionsOf(spec).map(({ file, inputs, outputs }): [string, number[]] => [file, [outputs, inputs]]),
    ...[...norms, spec.finalNorm].map((name): [string, number[]] => [name, [spec.hidden]]),
    ...headNorms.map((name): [string, number[]] => [name, [spec.headDim]]),
  ];
}

export interface RandomModel {
  readonly model: ModelFolder;
  readonly spec: ModelSpec;
  readonly parameters: number;
}

/** The model with random weights, made in memory; always the same. */
export async function randomModel(layers: number): Promise<RandomModel> {
  const config = configOf(layers);
  const random = new Random(1);
  const spec = readModelSpec(config);
  const tensors = shapesOf(spec).map(([name, shape]): TensorInfo & { data: Uint8Array; count: number } => {
    const count = shape.reduce((product, n) => product * n, 1);
    const values = Float32Array.from({ length: count }, () =>
      shape.length === 1 ? 1 : 0.05 * random.normal(),
    );
    return { name: `${name}.weight`, dtype: "F32", shape, data: new Uint8Array(values.buffer), count };
  });
  const folder = memoryFolder("random", {
    "config.json": new TextEncoder().encode(JSON.stringify(config)),
    "model.safetensors": writeSafetensors(tensors),
  });
  return {
    model: await openModelFolder(folder),
    spec,
    parameters: tensors.reduce((sum, { count }) => sum + count, 0),
  };
}
