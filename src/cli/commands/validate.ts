import { createNodeHost } from "../../host/node.ts";
import { describeReview } from "../describe.ts";
import { toldHub } from "../downloads.ts";
import { loadConfig } from "../load_config.ts";
import { showMemory } from "../memory.ts";
import type { Output } from "../output.ts";
import { publicDir } from "../public_dir.ts";

/**
 * `aligntune validate`: reads and resolves a configuration, and shows where every value comes from; with `--memory` also reads
 * its data and the headers of its model, and says what the run would take of the GPU. 1 when that is too much.
 */
export async function validate(
  args: {
    readonly config: string | undefined;
    readonly recipe: string | undefined;
    readonly set: readonly string[];
    readonly memory: boolean;
  },
  output: Output,
): Promise<number> {
  const loaded = await loadConfig({ file: args.config, recipe: args.recipe, set: args.set });
  describeReview(loaded, output);
  for (const note of loaded.notes) output.say(`Note: ${note.message}`);
  const values = Object.fromEntries(
    Object.entries(loaded.origins).map(([key, { value, source }]) => [key, { value, source }]),
  );
  const notes = loaded.notes.map(({ message }) => message);
  output.emit({ valid: true, algorithm: loaded.algorithm, notes, values });
  for (const [key, { value, source }] of Object.entries(values)) {
    output.say(`${key}: ${JSON.stringify(value)}${source === "default" ? "" : `  (${source})`}`);
  }
  output.say("The configuration is valid.");
  if (!args.memory) return 0;
  const host = createNodeHost({
    ...{ publicDir: publicDir(), hub: toldHub(output.downloads), runDir: () => loaded.config.output_dir },
  });
  const sources = { file: args.config, recipe: args.recipe, set: args.set };
  return (await showMemory(host, sources, output)) ? 0 : 1;
}
