import { readdir } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { runTemplate, type SavedRun } from "../api/export_saved.ts";
import { ADAPTER_CONFIG, readAdapter } from "../formats/adapter.ts";
import { readJsonObject } from "../formats/json.ts";
import { openModelFolder } from "../formats/model_folder.ts";
import type { Folder } from "../host/host.ts";
import { createNodeHost } from "../host/node.ts";
import { nodeFolder } from "../host/node_files.ts";
import { AppError } from "../lib/errors.ts";
import { type Downloads, toldHub } from "./downloads.ts";
import { loadConfig } from "./load_config.ts";
import { publicDir } from "./public_dir.ts";
import { CONFIG, METRICS, rowsUntil } from "./run_folder.ts";

/**
 * A run from its folder, or from one of its checkpoint-STEP folders: the adapter and its base, or the model that was trained
 * whole. Throws `file-missing` when the folder is none of these, and what its files are refused for.
 */
export async function openSavedRun(
  dir: string,
  base: string | undefined,
  downloads: Downloads,
): Promise<SavedRun> {
  const { result, runDir, step } = await placesOf(dir);
  const { config, text } = await loadConfig({ file: join(runDir, CONFIG) });
  const adapter = (await result.open(ADAPTER_CONFIG)) ? await readAdapter(result) : undefined;
  const host = createNodeHost({ publicDir: publicDir(), hub: toldHub(downloads), runDir: () => runDir });
  const revision = base === undefined ? config.model_revision : null;
  const folder = adapter ? await host.openModel(base ?? config.model_name, revision) : result;
  const model = await openModelFolder(folder);
  const steps = step ?? (await stepsOf(result));
  return {
    ...{
      model,
      adapter,
      steps,
      config: { ...config, run_name: config.run_name ?? basename(resolve(runDir)) },
    },
    ...{ configText: text, place: "Node", device: null },
    log: await rowsUntil(runDir, METRICS, steps),
    chatTemplate: await runTemplate(model, config),
  };
}

async function placesOf(dir: string): Promise<{ result: Folder; runDir: string; step: number | undefined }> {
  const found = await readdir(dir).catch((cause: unknown) => {
    throw new AppError("file-missing", `There is no folder ${dir}. Give the folder of a run.`, { cause });
  });
  const [, step] = /^checkpoint-(\d+)$/.exec(basename(resolve(dir))) ?? [];
  const runDir = found.includes(CONFIG) || step === undefined ? dir : dirname(resolve(dir));
  const hasResult = found.some((name) =>
    /^(adapter_config\.json|model\.safetensors(\.index\.json)?)$/.test(name),
  );
  if (hasResult)
    return { result: nodeFolder(dir), runDir, step: step === undefined ? undefined : Number(step) };
  const checkpoint = found.filter((name) => /^checkpoint-\d+$/.test(name)).at(-1);
  const hint = checkpoint
    ? ` The run has not ended: take a checkpoint, such as ${join(dir, checkpoint)}, or finish it with train --resume.`
    : " Give the folder that train wrote (--output).";
  throw new AppError("file-missing", `${dir} holds neither an adapter nor a model.${hint}`, {
    details: { found },
  });
}

async function stepsOf(result: Folder): Promise<number> {
  const file = await result.open("trainer_state.json");
  const steps = file && (await readJsonObject(file))["global_step"];
  return typeof steps === "number" ? steps : Number.MAX_SAFE_INTEGER;
}
