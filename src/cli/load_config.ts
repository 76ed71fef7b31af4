import { readFile } from "node:fs/promises";
import { locatePaths } from "../config/beside_file.ts";
import { exportYaml } from "../config/export_yaml.ts";
import type { RunConfig } from "../config/fields.ts";
import { parseAssignments, parseConfig } from "../config/parse_config.ts";
import type { ImportReview } from "../config/read_settings.ts";
import { findRecipe, recipeLayer } from "../config/recipes.ts";
import { type Resolution, resolveOrThrow } from "../config/resolve.ts";
import { pathBeside } from "../host/node.ts";
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
  return { ...review, values: await locatePaths(review.values, (written) => pathBeside(path, written)) };
}
