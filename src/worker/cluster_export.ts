import { mergedFiles, type SavedRun } from "../api/export_saved.ts";
import { type ClusterBundle, clusterBundle } from "../cluster/bundle.ts";
import { checkRows, readRows } from "../cluster/run_rows.ts";
import { tokenizerFiles } from "../formats/export_bundle.ts";
import { safeFileName } from "../formats/file_name.ts";
import type { Asset, Folder, Host } from "../host/host.ts";
import type { ExportOption } from "../protocol/exports.ts";

/** A run as a folder for other machines, as the page hands it out. */
export interface ClusterSource {
  readonly host: Pick<Host, "openModel" | "openDataset" | "readText" | "userCode" | "log">;
  readonly run: SavedRun;
  readonly name: string;
  /** PEFT's files; undefined for a run that trained all weights. */
  readonly adapter: Folder | undefined;
  readonly totalSteps: number;
}

const NO_ROWS = { train: [], validation: [] };

/** What the zip will hold. No row is read for it, so how many bytes they take is open. */
export async function clusterOption(source: ClusterSource): Promise<ExportOption> {
  const { run, name, adapter, host } = source;
  const rows = (await checkRows(host, run.config)) ? NO_ROWS : undefined;
  const weights = adapter ? await adapterAssets(adapter, run) : await mergedFiles(run, { dtype: "F32" });
  const { files, notes } = await bundleOf(source, rows, weights);
  const fileName = safeFileName(name, "cluster", "zip");
  const heldOut = run.config.val_split_ratio > 0 || run.config.eval_dataset_name !== null;
  const withRows = files.flatMap((file): ExportOption["files"] => {
    if (file.name === CONFIG) return [{ name: CONFIG, bytes: null }];
    if (file.name !== TRAIN) return [{ name: file.name, bytes: file.size }];
    return [TRAIN, ...(heldOut ? [VALIDATION] : [])].map((data) => ({ name: data, bytes: null }));
  });
  const hasScript = files.some((file) => file.name === "train.py");
  const commands = [
    `unzip ${fileName}`,
    `cd ${fileName.slice(0, -".zip".length)}`,
    ...(hasScript
      ? ["pip install -r requirements.txt && accelerate launch train.py"]
      : ["aligntune train --config training_config.yaml"]),
  ];
  return {
    ...{ kind: "cluster", fileName, files: withRows, notes, bytesAs: null },
    bytes: withRows.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0),
    snippet: { language: "Shell", text: commands.join("\n") },
  };
}

/** It names the held-out rows only where there are any. */
const CONFIG = "training_config.yaml";
const TRAIN = "data/train.jsonl";
const VALIDATION = "data/validation.jsonl";

/** The files themselves, with all rows. `weights` is what a run that trained all of them hands out. */
export async function clusterFiles(
  source: ClusterSource,
  weights: () => Promise<readonly Asset[]>,
): Promise<readonly Asset[]> {
  const { host, run, adapter } = source;
  const rows = await readRows(host, run.config);
  const files = adapter ? await adapterAssets(adapter, run) : await weights();
  return (await bundleOf(source, rows, files)).files;
}

function bundleOf(
  { host, run, totalSteps }: ClusterSource,
  rows: Parameters<typeof clusterBundle>[0]["rows"],
  files: readonly Asset[],
): Promise<ClusterBundle> {
  const readText = (path: string) => host.readText(path);
  return clusterBundle({ config: run.config, rows, files, totalSteps, readText });
}

async function adapterAssets(adapter: Folder, { model, chatTemplate }: SavedRun): Promise<readonly Asset[]> {
  const files = await Promise.all((await adapter.list()).map((name) => adapter.open(name)));
  return [
    ...files.filter((file) => file !== undefined),
    ...(await tokenizerFiles(model.folder, chatTemplate)),
  ];
}
