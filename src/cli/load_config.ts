import { readFile, stat } from "node:fs/promises";
import { dirname, isAbsolute, join } from "node:path";
import { exportYaml } from "../config/export_yaml.ts";
import type { RunConfig } from "../config/fields.ts";
import { parseAssignments, parseConfig } from "../config/parse_config.ts";
import type { ImportReview } from "../config/read_settings.ts";
import { findRecipe, recipeLayer } from "../config/recipes.ts";
import { type Resolution, resolveOrThrow } from "../config/resolve.ts";
import { splitReference } from "../config/reward_source.ts";
import { AppError } from "../lib/errors.ts";

export interface ConfigSources {
  /** A YAML or JSON file. */
  readonly file?: string | undefined;
  readonly recipe?: string | undefined;
  /** `key=value` pairs, stronger than the file. */
  readonly set?: readonly string[];
  /** adapter_name_or_path, stronger than all of them. */
  readonly adapter?: string | undefined;
}

export interface LoadedConfig extends Resolution {
  readonly config: RunConfig;
  /** training_config.yaml: every setting as it was resolved. */
  readonly text: string;
  /** What was read, changed and not used of the file, for people. */
  readonly review: ImportReview | undefined;
}

/** Settings that name files: given relative to the configuration's own folder. */
const PATH_KEYS = [
  "model_name",
  "dataset_name",
  "eval_dataset_name",
  "adapter_name_or_path",
  "rollouts_path",
  "reward_model_name",
];

/**
 * Reads and resolves a configuration: `--set` over file over recipe over defaults. Indentation that was flattened is
 * repaired, and `review` says so. Throws `file-missing`, `config-invalid`.
 */
export async function loadConfig(sources: ConfigSources): Promise<LoadedConfig> {
  const review = sources.file === undefined ? undefined : await readConfigFile(sources.file);
  const recipe = sources.recipe === undefined ? undefined : await recipeLayer(findRecipe(sources.recipe));
  const override = overrideOf(sources);
  const resolution = resolveOrThrow({ override, file: review, recipe });
  return { ...resolution, text: configText(resolution.config), review };
}

function overrideOf({ set = [], adapter }: ConfigSources): ImportReview | undefined {
  if (set.length === 0 && adapter === undefined) return undefined;
  const review = parseAssignments(set);
  if (adapter === undefined) return review;
  return { ...review, values: { ...review.values, adapter_name_or_path: adapter } };
}

export function configText(config: RunConfig): string {
  return exportYaml({ ...config }, { shape: "flat" });
}

async function readConfigFile(path: string): Promise<ImportReview> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new AppError("file-missing", `Cannot read the configuration ${path}.`, { cause });
  }
  const review = parseConfig(text, { repair: true });
  const values: Record<string, unknown> = { ...review.values };
  for (const key of PATH_KEYS) values[key] = await besideFile(path, values[key]);
  values["processing_fn"] = await codeBesideFile(path, values["processing_fn"]);
  return {
    ...review,
    values: Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)),
  };
}

/** The same for `prep.js#name`, a function of a file. */
async function codeBesideFile(file: string, value: unknown): Promise<unknown> {
  const reference = typeof value === "string" ? splitReference(value) : undefined;
  if (reference === undefined) return value;
  const path = await besideFile(file, reference.file);
  return reference.function === undefined ? path : `${path}#${reference.function}`;
}

/** A path that exists beside the configuration, else the value as it is: a name, or a path from where we are. */
async function besideFile(file: string, value: unknown): Promise<unknown> {
  if (typeof value !== "string" || isAbsolute(value)) return value;
  const path = join(dirname(file), value);
  try {
    await stat(path);
    return path;
  } catch {
    return value;
  }
}
