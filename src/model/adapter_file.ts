import { readAdapter } from "../formats/adapter.ts";
import type { AdapterConfig } from "../formats/adapter_config.ts";
import type { Folder } from "../host/host.ts";
import { AppError } from "../lib/errors.ts";
import type { NamedValues } from "./loaded_model.ts";
import { type LoraSettings, peftKey } from "./lora.ts";
import { type ModelSpec, projectionsOf } from "./spec.ts";

export interface AdapterFile {
  readonly config: AdapterConfig;
  /** The settings that make exactly the modules of the file. */
  readonly settings: LoraSettings;
  readonly values: NamedValues;
  /** Paths of the adapted modules. */
  readonly modules: readonly string[];
  readonly notes: readonly string[];
}

/** Reads a PEFT adapter as the start of a run. Throws `file-*` and `adapter-unsupported`. */
export async function readAdapterFile(folder: Folder): Promise<AdapterFile> {
  const { config, modules, notes } = await readAdapter(folder);
  const values = new Map<string, { shape: readonly number[]; data: Float32Array<ArrayBuffer> }>();
  for (const [path, { a, b }] of modules) {
    values.set(peftKey(path, "A"), { shape: a.shape, data: await a.floats() });
    values.set(peftKey(path, "B"), { shape: b.shape, data: await b.floats() });
  }
  const settings: LoraSettings = {
    rank: config.r,
    alpha: config.loraAlpha,
    rsLora: config.useRslora,
    dropout: config.loraDropout,
    targets: [...modules.keys()],
  };
  return { config, settings, values, modules: [...modules.keys()], notes };
}

/** The same for a certain model. Throws `adapter-unsupported` also when the adapter is of a model with other layers. */
export async function readAdapterFor(spec: ModelSpec, folder: Folder): Promise<AdapterFile> {
  const file = await readAdapterFile(folder);
  const known = new Set(projectionsOf(spec).map(({ module }) => module));
  const other = file.modules.find((module) => !known.has(module));
  if (other === undefined) return file;
  throw new AppError(
    "adapter-unsupported",
    `The adapter ${folder.name} does not fit this model: it adapts ${other}, which is no linear layer of it. It was trained on ${file.config.baseModel ?? "another model"}.`,
    { details: { adapter: folder.name, module: other } },
  );
}
