import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { clusterBundle } from "../../cluster/bundle.ts";
import { readRows } from "../../cluster/run_rows.ts";
import { createNodeHost } from "../../host/node.ts";
import { nodeFolder } from "../../host/node_files.ts";
import { AppError } from "../../lib/errors.ts";
import { toldHub } from "../downloads.ts";
import { loadConfig } from "../load_config.ts";
import type { Output } from "../output.ts";
import { publicDir } from "../public_dir.ts";
import { CONFIG, checkUnused, makeFolder, writeWhole } from "../run_folder.ts";

const STATE = "trainer_state.json";
/** What a run folder holds that belongs to its weights. */
const WEIGHTS =
  /^(adapter_.*|(generation_)?config\.json|model.*\.safetensors(\.index\.json)?|.*\.jinja|tokenizer.*|special_tokens_map\.json|added_tokens\.json|vocab\.json|merges\.txt)$/;

/** `aligntune cluster DIR`: the run in DIR as a folder with which TRL, or AlignTune, goes on elsewhere. */
export async function cluster(
  args: { readonly run: string; readonly output: string },
  output: Output,
): Promise<number> {
  const { run, output: target } = args;
  await checkUnused(target, undefined);
  const { config } = await loadConfig({ file: join(run, CONFIG) });
  const host = createNodeHost({ publicDir: publicDir(), hub: toldHub(output.downloads), runDir: () => run });
  const rows = await readRows(host, config);
  const folder = nodeFolder(run);
  const names = (await readdir(run)).filter((name) => WEIGHTS.test(name)).sort();
  const files = await Promise.all(names.map((name) => folder.open(name)));
  const { files: made, notes } = await clusterBundle({
    ...{ config, rows, totalSteps: await stepsOf(run) },
    files: files.flatMap((file) => file ?? []),
    readText: (path) => host.readText(path),
  });
  for (const file of made) {
    await makeFolder(dirname(join(target, file.name)));
    await writeWhole(join(target, file.name), file);
  }
  for (const note of notes) output.say(`Note: ${note}`);
  output.emit(
    { output: target, files: made.map(({ name }) => name), notes },
    `${made.length} files in ${target}. README.md there says how to go on.`,
  );
  return 0;
}

/** The steps of the whole run, by its records. Throws `file-missing` for a folder that holds no finished run. */
async function stepsOf(run: string): Promise<number> {
  let state: unknown;
  try {
    state = JSON.parse(await readFile(join(run, STATE), "utf8"));
  } catch (cause) {
    throw new AppError(
      "file-missing",
      `${run} has no ${STATE} that can be read. Name the folder of a run that has ended.`,
      {
        details: { folder: run, file: STATE },
        cause,
      },
    );
  }
  const { max_steps: steps } = state as { max_steps?: unknown };
  return typeof steps === "number" && steps > 0 ? steps : 1;
}
