import { ggufFile, mergedFiles, type SavedRun } from "../api/export_saved.ts";
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS, type Adapter, adapterKey } from "../formats/adapter.ts";
import { formatAdapterConfig } from "../formats/adapter_config.ts";
import { hasChatTemplate, tokenizerFiles } from "../formats/export_bundle.ts";
import { safeFileName, safeStem } from "../formats/file_name.ts";
import { quickStart } from "../formats/model_card.ts";
import { planSafetensors } from "../formats/safetensors.ts";
import type { Asset } from "../host/host.ts";
import { AppError } from "../lib/errors.ts";
import { hubId } from "../lib/hub.ts";
import { mergeAdapter } from "../model/merge.ts";
import { readModelSpec } from "../model/registry.ts";
import type { ExportDtype, ExportKind, ExportOption, ExportPlan } from "../protocol/exports.ts";
import { type ClusterSource, clusterOption } from "./cluster_export.ts";

type Sized = ExportOption["files"][number];

/** What a run can be saved as: the files with their sizes, and a program for each. No weight and no row is read for it. */
export async function planExport(source: ClusterSource, step: number): Promise<ExportPlan> {
  const { run, name } = source;
  const kinds: readonly ExportKind[] = [...(run.adapter ? PARTS_OF_ADAPTER : WHOLE), "cluster"];
  const options: ExportPlan["options"][number][] = [];
  for (const kind of kinds) {
    try {
      options.push({ possible: true, ...(await optionOf(kind, source)) });
    } catch (cause) {
      if (!(cause instanceof AppError)) throw cause;
      options.push({ possible: false, kind, why: cause.message });
    }
  }
  const { basePrecision } = mergeAdapter(run.model, readModelSpec(run.model.config), run.adapter);
  return { step, options, basePrecision, repository: safeStem(name, 60).replace(/[.-]{2,}/g, "-") };
}

const PARTS_OF_ADAPTER = ["adapter", "merged", "gguf"] as const;
const WHOLE = ["model"] as const;

async function optionOf(kind: ExportKind, source: ClusterSource): Promise<ExportOption> {
  const { run, name } = source;
  switch (kind) {
    case "cluster":
      return clusterOption(source);
    case "gguf":
      return ggufOption(run, name);
    case "adapter":
      return zipOption(kind, run, name, await adapterParts(run));
    case "merged":
      return zipOption(kind, run, name, await mergedFiles(run));
    case "model":
      return zipOption(kind, run, name, await mergedFiles(run, { dtype: "F32" }));
  }
}

async function zipOption(
  kind: "adapter" | "merged" | "model",
  run: SavedRun,
  name: string,
  parts: readonly { readonly name: string; readonly size: number }[],
): Promise<ExportOption> {
  const fileName = safeFileName(name, kind, "zip");
  const folder = fileName.slice(0, -".zip".length);
  const made = new Set(kind === "merged" ? [] : ["README.md", "trainer_state.json"]);
  const files: Sized[] = parts.map((part) => ({
    name: part.name,
    bytes: made.has(part.name) ? null : part.size,
  }));
  if (kind === "model") files.push({ name: "trainer_state.json", bytes: null });
  const tokenizer = await tokenizerFiles(run.model.folder, run.chatTemplate);
  const text = quickStart(
    {
      kind,
      baseModel: run.config.model_name,
      hasTokenizer: tokenizer.some((file) => file.name === "tokenizer.json"),
      hasChatTemplate: await hasChatTemplate(tokenizer),
      examplePrompt: "Hello",
    },
    folder,
  );
  const snippet = { language: "Python" as const, text: `# beside the unpacked ${fileName}\n${text}` };
  const bytesAs = kind === "adapter" ? null : await bytesOf(run);
  return { kind, fileName, files, bytes: total(files), bytesAs, notes: [], snippet };
}

async function bytesOf(run: SavedRun) {
  const as = async (dtype: ExportDtype) => total(sized(await mergedFiles(run, { dtype })));
  const [stored, F32, F16, BF16] = [await as("stored"), await as("F32"), await as("F16"), await as("BF16")];
  return { stored, F32, F16, BF16 };
}

const sized = (files: readonly Asset[]): Sized[] => files.map(({ name, size }) => ({ name, bytes: size }));

const total = (files: readonly Sized[]): number => files.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0);

/** The files of PEFT's folder, in the order of the zip. */
async function adapterParts({ adapter, model, configText, chatTemplate }: SavedRun) {
  if (!adapter) throw new AppError("config-invalid", "This run trained all weights, so it has no adapter.");
  const bytes = (text: string) => new TextEncoder().encode(text).length;
  return [
    { name: ADAPTER_CONFIG, size: bytes(formatAdapterConfig(adapter.config)) },
    { name: ADAPTER_WEIGHTS, size: weightBytes(adapter) },
    { name: "README.md", size: 0 },
    { name: "training_config.yaml", size: bytes(configText) },
    { name: "trainer_state.json", size: 0 },
    ...(await tokenizerFiles(model.folder, chatTemplate)),
  ];
}

function weightBytes({ modules }: Adapter): number {
  const tensors = [...modules].flatMap(([path, { a, b }]) => [
    { name: adapterKey(path, "a"), dtype: "F32" as const, shape: a.shape },
    { name: adapterKey(path, "b"), dtype: "F32" as const, shape: b.shape },
  ]);
  return planSafetensors(tensors).size;
}

async function ggufOption(run: SavedRun, name: string): Promise<ExportOption> {
  const { adapter, config } = run;
  if (!adapter) throw new AppError("config-invalid", "This run trained all weights, so it has no adapter.");
  const fileName = safeFileName(name, "lora", "gguf");
  const { size } = await ggufFile({ ...run, adapter }, fileName);
  const fetched = hubId(config.model_name)?.id.includes("/");
  const base = fetched ? "base" : JSON.stringify(config.model_name);
  const lines = [
    ...(fetched
      ? [`hf download ${config.model_name} --local-dir base`]
      : [`# ${base} is the folder of the base model`]),
    `python llama.cpp/convert_hf_to_gguf.py ${base} --outfile base.gguf`,
    `llama-cli -m base.gguf --lora ${fileName} -p "Hello"`,
  ];
  const snippet = { language: "Shell" as const, text: lines.join("\n") };
  return {
    kind: "gguf",
    fileName,
    bytes: size,
    bytesAs: null,
    notes: [],
    files: [{ name: fileName, bytes: size }],
    snippet,
  };
}
