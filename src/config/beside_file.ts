import { splitReference } from "./reward_source.ts";

/** Settings that name files: given relative to the configuration's own folder. */
const PATH_KEYS = [
  "model_name",
  "dataset_name",
  "eval_dataset_name",
  "adapter_name_or_path",
  "rollouts_path",
  "reward_model_name",
];

/** Turns a path as it is written into one from where we are. */
type Locate = (path: string) => Promise<string>;

/**
 * The settings of a configuration file with its paths as `locate` finds them: models, datasets, and the files of functions,
 * those of rewards too. What is no text stays as it is.
 */
export async function locatePaths(
  values: Readonly<Record<string, unknown>>,
  locate: Locate,
): Promise<Record<string, unknown>> {
  const located: Record<string, unknown> = { ...values };
  for (const key of PATH_KEYS) {
    const value = values[key];
    if (typeof value === "string") located[key] = await locate(value);
  }
  const { processing_fn: code, rewards, more_datasets: datasets } = values;
  if (typeof code === "string") located["processing_fn"] = await locateCode(code, locate);
  if (Array.isArray(datasets)) {
    located["more_datasets"] = await Promise.all(
      datasets.map((entry: unknown) => locateDataset(entry, locate)),
    );
  }
  if (Array.isArray(rewards)) {
    located["rewards"] = await Promise.all(rewards.map((reward: unknown) => locateReward(reward, locate)));
  }
  return located;
}

/** The same for `prep.js#name`, a function of a file. */
async function locateCode(code: string, locate: Locate): Promise<string> {
  const reference = splitReference(code);
  if (reference === undefined) return code;
  const path = await locate(reference.file);
  return reference.function === undefined ? path : `${path}#${reference.function}`;
}

async function locateDataset(entry: unknown, locate: Locate): Promise<unknown> {
  if (typeof entry !== "object" || entry === null || !("name" in entry)) return entry;
  const { name } = entry;
  return typeof name === "string" ? { ...entry, name: await locate(name) } : entry;
}

async function locateReward(reward: unknown, locate: Locate): Promise<unknown> {
  if (typeof reward !== "object" || reward === null || !("file" in reward)) return reward;
  const { file } = reward;
  return typeof file === "string" ? { ...reward, file: await locate(file) } : reward;
}
