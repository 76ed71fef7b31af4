import type { Asset, Folder } from "../host/host.ts";
import { memoryAsset } from "../host/memory.ts";
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS, type AdapterFiles } from "./adapter.ts";
import type { FloatDtype } from "./dtype.ts";
import { safeFileName } from "./file_name.ts";
import { isRecord, readJsonObject } from "./json.ts";
import { formatModelCard, type ModelCard } from "./model_card.ts";
import { requireFile } from "./model_folder.ts";
import { formatTrainerState, type TrainerState } from "./trainer_state.ts";
import { zipStream } from "./zip.ts";

/** What transformers saves for a tokenizer; those that the base has are copied. */
const TOKENIZER_FILES: readonly string[] = [
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "vocab.json",
  "merges.txt",
  "tokenizer.model",
  "chat_template.jinja",
];

/** What is handed out: an adapter; or a whole model as shardedModel gives it, trained itself or with the adapter merged in. */
export type TrainedWeights =
  | { readonly kind: "adapter"; readonly files: AdapterFiles }
  | {
      readonly kind: "model" | "merged";
      readonly files: readonly Asset[];
      /** What config.json says of all weights; as it is in the base when undefined. */
      readonly dtype?: FloatDtype | undefined;
    };

export interface ExportInput {
  readonly weights: TrainedWeights;
  readonly card: Omit<ModelCard, "kind" | "hasTokenizer" | "hasChatTemplate">;
  /** training_config.yaml as the configuration writes it. */
  readonly config: string;
  /** The trainer's own record; a merged model goes without. */
  readonly state: TrainerState | undefined;
  /** The base model's folder; undefined when it is out of reach, and then the tokenizer is left out. */
  readonly base: Folder | undefined;
  /** The template that the run used when it is not the base's own. */
  readonly chatTemplate?: string | undefined;
}

/**
 * The files that a finished run hands out, in a fixed order: PEFT's two (or the model's) first, then the model card, the
 * run's records and the base's tokenizer. The same run gives the same bytes. Throws `file-invalid` when the base's
 * tokenizer cannot be read, `file-missing` when a whole model's base has no config.json.
 */
export async function exportFiles(input: ExportInput): Promise<readonly Asset[]> {
  const tokenizer = await tokenizerFiles(input.base, input.chatTemplate);
  const card = formatModelCard({
    ...input.card,
    kind: input.weights.kind,
    hasTokenizer: tokenizer.some(({ name }) => name === "tokenizer.json" || name === "tokenizer.model"),
    hasChatTemplate: await hasChatTemplate(tokenizer),
  });
  return [
    ...(await weightFiles(input)),
    textAsset("README.md", card),
    textAsset("training_config.yaml", input.config),
    ...(input.state ? [textAsset("trainer_state.json", formatTrainerState(input.state))] : []),
    ...tokenizer,
  ];
}

async function weightFiles({ weights, base }: ExportInput): Promise<readonly Asset[]> {
  if (weights.kind === "adapter") {
    return ([ADAPTER_CONFIG, ADAPTER_WEIGHTS] as const).map((name) => memoryAsset(name, weights.files[name]));
  }
  const config = base && (await configFile(await requireFile(base, "config.json"), weights.dtype));
  const generation = await base?.open("generation_config.json");
  return [config, ...weights.files, generation].filter((file) => file !== undefined);
}

const TORCH_NAME: Readonly<Record<FloatDtype, string>> = { F32: "float32", F16: "float16", BF16: "bfloat16" };

/** The base's config.json with another dtype: transformers loads weights in the type that it names. All else stays as written. */
async function configFile(config: Asset, dtype: FloatDtype | undefined): Promise<Asset> {
  if (dtype === undefined) return config;
  const text = new TextDecoder().decode(await config.read(0, config.size));
  return textAsset(
    "config.json",
    text.replace(/("(?:torch_)?dtype"\s*:\s*)"\w+"/g, `$1"${TORCH_NAME[dtype]}"`),
  );
}

/** A download: what to call it and its bytes as they are made. */
export interface Download {
  readonly fileName: string;
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
}

/** What a run hands out as one zip that holds a folder of the same name. `step` is given when it is not the last. */
export function exportZip(
  run: string,
  kind: "adapter" | "merged" | "model" | "cluster" | "checkpoint",
  files: readonly Asset[],
  step?: number,
): Download {
  const fileName = safeFileName(run, kind, "zip", step);
  return { fileName, stream: zipStream(fileName.slice(0, -".zip".length), files) };
}

function textAsset(name: string, text: string): Asset {
  return memoryAsset(name, new TextEncoder().encode(text));
}

export async function tokenizerFiles(
  base: Folder | undefined,
  chatTemplate: string | undefined,
): Promise<Asset[]> {
  const files: Asset[] = [];
  for (const name of base ? TOKENIZER_FILES : []) {
    const file = await base?.open(name);
    if (file && !(name === "chat_template.jinja" && chatTemplate !== undefined)) files.push(file);
  }
  if (chatTemplate !== undefined) files.push(textAsset("chat_template.jinja", chatTemplate));
  return files;
}

/** A template stands in a file of its own or, in older models, inside tokenizer_config.json. */
export async function hasChatTemplate(files: readonly Asset[]): Promise<boolean> {
  if (files.some(({ name }) => name === "chat_template.jinja")) return true;
  const config = files.find(({ name }) => name === "tokenizer_config.json");
  const json = config ? await readJsonObject(config) : {};
  return isRecord(json) && json["chat_template"] !== undefined && json["chat_template"] !== null;
}
