import type { CommonConfig, RunConfig } from "../config/fields.ts";
import { parseSplit } from "../data/split_slice.ts";
import type { Host } from "../host/host.ts";
import { AppError } from "../lib/errors.ts";
import { loadDataset } from "../trainer/load_dataset.ts";
import { datasetsOf } from "../trainer/mix_datasets.ts";
import { loadTextTools } from "../trainer/prepare_data.ts";
import { streams } from "../trainer/stream_dataset.ts";
import type { ClusterInput } from "./bundle.ts";

type RowsHost = Pick<Host, "openModel" | "openDataset" | "readText" | "userCode" | "log">;

/**
 * The rows of a run as clusterBundle takes them; those that cannot be used are left out, as they were in training. Throws
 * what checkRows throws, and whatever rows or their processing_fn can be refused for.
 */
export async function readRows(host: RowsHost, config: RunConfig): Promise<ClusterInput["rows"]> {
  if (!(await checkRows(host, config))) return undefined;
  const { template } = await loadTextTools(
    await host.openModel(config.model_name, config.model_revision),
    config,
  );
  const { train, validation } = await loadDataset(host, config, template !== undefined, true);
  return { train, validation };
}

/**
 * Whether there are rows, without reading them: a run on recorded rollouts has none. Throws `file-missing` for a dataset that is
 * not known here any more, `config-invalid` for one that is streamed: of that only the first rows are at hand.
 */
export async function checkRows(host: Pick<Host, "openDataset">, config: RunConfig): Promise<boolean> {
  if (config.dataset_name === null || ("rollouts_path" in config && config.rollouts_path !== null))
    return false;
  const datasets = datasetsOf(config);
  for (const { config: one } of datasets) {
    const [term, ...more] = parseSplit(one.split);
    const part = { subset: one.config_name, split: term?.split ?? one.split };
    const asset = await host.openDataset(one.dataset_name ?? "", part);
    // Several datasets, or several splits, are put together in memory.
    if (datasets.length === 1 && more.length === 0 && (await streams(one, asset)).yes) throw streamed(one);
  }
  return true;
}

function streamed({ dataset_name: name, streaming }: CommonConfig): AppError {
  const why = streaming ? "streaming is on" : "it is too large to be held in memory";
  return new AppError(
    "config-invalid",
    `The rows of ${name} are streamed (${why}), so they cannot be written into a folder. Take the adapter, the configuration and the dataset itself to the cluster.`,
    { details: { key: "streaming" } },
  );
}
