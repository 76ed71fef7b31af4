import { exportYaml } from "../config/export_yaml.ts";
import type { RunConfig } from "../config/fields.ts";
import { parseConfig } from "../config/parse_config.ts";
import { readSettings } from "../config/read_settings.ts";
import { findRecipe, recipeLayer } from "../config/recipes.ts";
import { type Resolution, resolve, resolveOrThrow } from "../config/resolve.ts";
import { safeFileName } from "../formats/file_name.ts";
import { AppError } from "../lib/errors.ts";
import type { ConfigReview, ResolvedSettings } from "../protocol/setup.ts";
import type { GivenSettings } from "../protocol/values.ts";

interface Named {
  readonly given: GivenSettings;
  readonly recipe: string | null;
}

async function layersOf({ given, recipe }: Named) {
  const found = recipe === null ? undefined : findRecipe(recipe);
  return {
    override: readSettings(given, { algorithm: found?.algorithm }),
    recipe: found && (await recipeLayer(found)),
  };
}

/** Never throws for bad settings: what is wrong is in `issues`. */
export async function resolveSettings(named: Named): Promise<ResolvedSettings> {
  const { algorithm, origins, issues, notes } = resolve(await layersOf(named));
  const values = Object.fromEntries(
    Object.entries(origins).map(([key, { value, source }]) => [key, { value, source }]),
  );
  return { algorithm, values, issues, notes };
}

/** A complete configuration. Throws `config-invalid`. */
export async function requireConfig(named: Named): Promise<Resolution & { readonly config: RunConfig }> {
  return resolveOrThrow(await layersOf(named));
}

/** A checked configuration read back from the text of a run. Throws `checkpoint-invalid` when it is damaged. */
export function configOfRun(text: string): RunConfig {
  const { config, issues } = resolve({ file: parseConfig(text) });
  if (config) return config;
  throw new AppError(
    "checkpoint-invalid",
    `The saved configuration cannot be read: ${issues[0]?.message ?? "unknown"}`,
  );
}

export async function exportSettings(
  named: Named,
  shape: "flat" | "nested",
): Promise<{ fileName: string; yaml: string }> {
  const { config } = await requireConfig(named);
  return {
    fileName: safeFileName(config.run_name ?? config.algorithm, "config", "yaml"),
    yaml: exportYaml({ ...config }, { shape }),
  };
}

export function reviewText(text: string, repair: boolean): ConfigReview {
  const review = parseConfig(text, { repair });
  return {
    text: review.text,
    used: review.used.map(({ path, key, value, line }) => ({ path, key, value, line: line ?? null })),
    changed: review.changed.map(({ path, from, to, why, line }) => ({
      path,
      from,
      to,
      why,
      line: line ?? null,
    })),
    notUsed: review.notUsed.map(({ path, why }) => ({ path, why })),
    problems: review.problems.map((problem) => ({
      ...problem,
      canRepair: "repair" in problem && problem.repair !== undefined,
    })),
    given: review.values,
  };
}
