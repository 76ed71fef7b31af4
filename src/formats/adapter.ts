import type { Folder } from "../host/host.ts";
import { memoryFolder } from "../host/memory.ts";
import { AppError } from "../lib/errors.ts";
import {
  type AdapterConfig,
  formatAdapterConfig,
  parseAdapterConfig,
  targetsModule,
} from "./adapter_config.ts";
import { encodeFloats } from "./dtype.ts";
import { readJsonObject } from "./json.ts";
import { requireFile } from "./model_folder.ts";
import { readSafetensors, type TensorInfo, type TensorSource, writeSafetensors } from "./safetensors.ts";

export const ADAPTER_CONFIG = "adapter_config.json";
export const ADAPTER_WEIGHTS = "adapter_model.safetensors";
const PREFIX = "base_model.model.";

/** The two matrices of one adapted module: y = W x + scale B (A x). */
export interface AdapterPair {
  /** [r, in] */
  readonly a: TensorSource;
  /** [out, r] */
  readonly b: TensorSource;
}

export interface Adapter {
  readonly name: string;
  readonly config: AdapterConfig;
  /** By module path, such as `model.layers.0.self_attn.q_proj`. These are the adapted modules, whatever the targets say. */
  readonly modules: ReadonlyMap<string, AdapterPair>;
  /** What was found and not used, in words for the person. */
  readonly notes: readonly string[];
}

/**
 * Opens a PEFT adapter folder. Throws `file-missing`, `file-invalid`, and `adapter-unsupported` naming what we lack: a
 * kind of adapter or setting other than plain LoRA, a tensor that is no lora_A or lora_B of a target, half a pair, or a
 * shape that is not of rank r. Nothing is ignored in silence, because an adapter that is half applied looks like a bad one.
 */
export async function readAdapter(folder: Folder): Promise<Adapter> {
  const json = await readJsonObject(await requireFile(folder, ADAPTER_CONFIG));
  const { config, notes } = parseAdapterConfig(`${folder.name}/${ADAPTER_CONFIG}`, json);
  const file = await readSafetensors(await requireFile(folder, ADAPTER_WEIGHTS));
  const halves = new Map<string, { a?: TensorSource; b?: TensorSource }>();
  for (const [key, tensor] of file.tensors) {
    const { path, half } = parseKey(folder.name, key);
    if (!targetsModule(config.targetModules, path)) {
      throw unsupported(
        folder.name,
        key,
        `target_modules ${JSON.stringify(config.targetModules)} do not cover it.`,
      );
    }
    checkShape(folder.name, tensor, half, config.r);
    halves.set(path, { ...halves.get(path), [half]: tensor });
  }
  const modules = new Map<string, AdapterPair>();
  for (const [path, { a, b }] of halves) {
    if (!(a && b))
      throw unsupported(folder.name, path, `it has lora_${a ? "A" : "B"} but no lora_${a ? "B" : "A"}.`);
    modules.set(path, { a, b });
  }
  if (modules.size === 0) throw unsupported(folder.name, ADAPTER_WEIGHTS, "it holds no lora_A and lora_B.");
  return { name: folder.name, config, modules, notes };
}

/** The key that PEFT gives to one half of a module's adapter. */
export function adapterKey(path: string, half: "a" | "b"): string {
  return `${PREFIX}${path}.lora_${half === "a" ? "A" : "B"}.weight`;
}

function parseKey(name: string, key: string): { path: string; half: "a" | "b" } {
  const found = /^base_model\.model\.(.+)\.lora_([AB])\.weight$/.exec(key);
  const path = found?.[1];
  if (path !== undefined) return { path, half: found?.[2] === "A" ? "a" : "b" };
  if (key.includes("lora_magnitude_vector"))
    throw unsupported(name, key, "it belongs to DoRA, which is not supported.");
  if (key.includes("lora_embedding_"))
    throw unsupported(name, key, "adapters on embeddings are not supported.");
  if (key.endsWith(".lora_B.bias")) throw unsupported(name, key, "a bias in lora_B is not supported.");
  if (key.startsWith(PREFIX) && !key.includes(".lora_")) {
    throw unsupported(name, key, "it is a fully trained weight of the base, which is not supported.");
  }
  throw unsupported(name, key, `only ${PREFIX}<module>.lora_A.weight and .lora_B.weight are known.`);
}

function checkShape(name: string, tensor: TensorSource, half: "a" | "b", r: number): void {
  const rank = tensor.shape[half === "a" ? 0 : 1];
  if (tensor.shape.length !== 2 || rank !== r) {
    const wanted = half === "a" ? `[${r}, in]` : `[out, ${r}]`;
    throw unsupported(
      name,
      tensor.name,
      `its shape is [${tensor.shape.join(", ")}]; with r ${r} it must be ${wanted}.`,
    );
  }
  if (!["F32", "F16", "BF16", "F64"].includes(tensor.dtype)) {
    throw unsupported(name, tensor.name, `its type is ${tensor.dtype}; floating-point numbers are needed.`);
  }
}

function unsupported(name: string, what: string, why: string): AppError {
  return new AppError("adapter-unsupported", `${name}: ${what}: ${why}`, {
    details: { adapter: name, what },
  });
}

/** One adapted module to be written, in float32. */
export interface AdapterModule {
  readonly path: string;
  /** Columns of A. */
  readonly inSize: number;
  /** Rows of B. */
  readonly outSize: number;
  readonly a: Float32Array<ArrayBuffer>;
  readonly b: Float32Array<ArrayBuffer>;
}

export interface AdapterFiles {
  readonly [ADAPTER_CONFIG]: Uint8Array<ArrayBuffer>;
  readonly [ADAPTER_WEIGHTS]: Uint8Array<ArrayBuffer>;
}

/**
 * The two files of a PEFT adapter, read back and compared before they are handed out: what leaves here is what PEFT will
 * read. The same adapter gives the same bytes. Throws `shape-mismatch` when a matrix does not fit its sizes and r, and
 * `loss-not-finite` when a weight is no number, since such a file would be useless and look fine.
 */
export async function adapterFiles(
  config: AdapterConfig,
  modules: readonly AdapterModule[],
): Promise<AdapterFiles> {
  const tensors: (TensorInfo & { data: Uint8Array<ArrayBuffer> })[] = [];
  for (const { path, inSize, outSize, a, b } of modules) {
    checkFinite(path, a, b);
    tensors.push({
      name: adapterKey(path, "a"),
      dtype: "F32",
      shape: [config.r, inSize],
      data: encodeFloats(a, "F32"),
    });
    tensors.push({
      name: adapterKey(path, "b"),
      dtype: "F32",
      shape: [outSize, config.r],
      data: encodeFloats(b, "F32"),
    });
  }
  const files: AdapterFiles = {
    [ADAPTER_CONFIG]: new TextEncoder().encode(formatAdapterConfig(config)),
    [ADAPTER_WEIGHTS]: writeSafetensors(tensors),
  };
  await verifyAdapterFiles(files, modules);
  return files;
}

function checkFinite(path: string, ...matrices: readonly Float32Array[]): void {
  if (matrices.every((matrix) => matrix.every(Number.isFinite))) return;
  throw new AppError(
    "loss-not-finite",
    `The adapter of ${path} holds values that are not finite; it was not written.`,
    {
      details: { module: path },
    },
  );
}

/** Reads the files as a stranger's and compares every value. */
async function verifyAdapterFiles(files: AdapterFiles, modules: readonly AdapterModule[]): Promise<void> {
  const read = await readAdapter(memoryFolder("the written adapter", { ...files }));
  if (read.modules.size !== modules.length)
    throw differs(`${modules.length} modules were written and ${read.modules.size} came back`);
  for (const { path, a, b } of modules) {
    const pair = read.modules.get(path);
    if (!pair || !sameBytes(await pair.a.floats(), a) || !sameBytes(await pair.b.floats(), b))
      throw differs(`${path} is not what was written`);
  }
}

function differs(why: string): AppError {
  return new AppError(
    "export-invalid",
    `The adapter was read back before it was saved, and ${why}. Nothing is lost: the run and its checkpoints are as they were.`,
  );
}

function sameBytes(x: Float32Array, y: Float32Array): boolean {
  return x.length === y.length && x.every((value, i) => Object.is(value, y[i]));
}
