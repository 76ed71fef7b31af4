import { readFile } from "node:fs/promises";
import type { Algorithm } from "../config/algorithm.ts";
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

export interface LoadedConfig extends Resolution, Pick<ImportReview, "changed" | "notUsed"> {
  readonly config: RunConfig;
  /** training_config.yaml: every setting as it was resolved. */
  readonly text: string;
}

/**
 * Reads and resolves a configuration: `--set` over file over recipe over defaults. Indentation that was flattened is
 * repaired, and `changed` says so. Throws `file-missing`, `config-invalid`.
 */
export async function loadConfig(sources: ConfigSources): Promise<LoadedConfig> {
  const found = sources.recipe === undefined ? undefined : findRecipe(sources.recipe);
  // Names mean what they mean to the method, which any of the layers may say.
  const said = parseAssignments(sources.set ?? []).algorithm;
  const file =
    sources.file === undefined ? undefined : await readConfigFile(sources.file, said ?? found?.algorithm);
  const override = overrideOf(sources, said ?? file?.algorithm ?? found?.algorithm);
  const recipe = found && (await recipeLayer(found));
  const resolution = resolveOrThrow({ override, file, recipe });
  const reviews = [override, file].filter((one) => one !== undefined);
  return {
    ...{ ...resolution, text: configText(resolution.config) },
    changed: reviews.flatMap(({ changed }) => changed),
    notUsed: reviews.flatMap(({ notUsed }) => notUsed),
  };
}

function overrideOf(
  { set = [], adapter }: ConfigSources,
  algorithm: Algorithm | undefined,
): ImportReview | undefined {
  if (set.length === 0 && adapter === undefined) return undefined;
  const review = parseAssignments(set, { algorithm });
  if (adapter === undefined) return review;
  return { ...review, values: { ...review.values, adapter_name_or_path: adapter } };
}

export function configText(config: RunConfig): string {
  return exportYaml({ ...config }, { shape: "flat" });
}

async function readConfigFile(path: string, algorithm: Algorithm | undefined): Promise<ImportReview> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new AppError("file-missing", `Cannot read the configuration ${path}.`, { cause });
  }
  const review = parseConfig(text, { algorithm, repair: true });
  return { ...review, values: await locatePaths(review.values, (written) => pathBeside(path, written)) };
}
