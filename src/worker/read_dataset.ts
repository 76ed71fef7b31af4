import type { RunConfig } from "../config/fields.ts";
import { readExamples } from "../data/dataset_formats.ts";
import type { RowPurpose } from "../data/row_formats.ts";
import { readRows } from "../data/rows.ts";
import { sliceOf } from "../data/split_slice.ts";
import { splitRows } from "../data/splits.ts";
import type { Host } from "../host/host.ts";
import { type Dataset, loadDataset } from "../trainer/prepare_data.ts";
import { METHODS } from "./methods.ts";

const PURPOSES = { examples: "sft", pairs: "preference", prompts: "prompt" } as const satisfies Record<
  string,
  RowPurpose
>;

/** The rows of any method, for looking at them: rows that cannot be used are in `set.problems`. Throws `dataset-invalid`, `file-*`. */
export async function readDataset(
  host: Pick<Host, "openDataset">,
  config: RunConfig,
  hasTemplate: boolean,
): Promise<Dataset> {
  if (config.algorithm === "sft") return loadDataset(host, config, hasTemplate, true);
  const purpose = PURPOSES[METHODS[config.algorithm].data];
  const limit = config.max_samples === null ? {} : { limit: config.max_samples };
  const read = async (name: string) => {
    const file = await readRows(await host.openDataset(name), limit);
    const systemPrompt = config.system_prompt === null ? {} : { systemPrompt: config.system_prompt };
    const options = { purpose, hasTemplate, columnMapping: config.column_mapping, ...systemPrompt };
    return { file, set: readExamples(file, options) };
  };
  const { file, set } = await read(config.dataset_name ?? "");
  const part = sliceOf(config.split, set.examples);
  const examples = part.slice(0, Math.max(1, Math.ceil((part.length * (config.percent ?? 100)) / 100)));
  if (config.eval_dataset_name !== null) {
    const other = await read(config.eval_dataset_name);
    const validation = other.set.examples.slice(0, config.max_eval_samples ?? undefined);
    return { file, set, train: examples, validation, test: [] };
  }
  const { val_split_ratio: valSplitRatio, test_split_ratio: testSplitRatio, seed } = config;
  const parts = splitRows(examples.length, { valSplitRatio, testSplitRatio, seed });
  const pick = (rows: readonly number[]) => rows.flatMap((row) => examples[row] ?? []);
  const validation = pick(parts.validation).slice(0, config.max_eval_samples ?? undefined);
  return { file, set, train: pick(parts.train), validation, test: pick(parts.test) };
}
