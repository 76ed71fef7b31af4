import { describeReview } from "../describe.ts";
import { loadConfig } from "../load_config.ts";
import type { Output } from "../output.ts";

/** `aligntune validate`: reads and resolves a configuration, and shows where every value comes from. */
export async function validate(
  args: {
    readonly config: string | undefined;
    readonly recipe: string | undefined;
    readonly set: readonly string[];
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
  return 0;
}
