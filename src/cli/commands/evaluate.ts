import { openTrainer } from "../../api/open_trainer.ts";
import { createNodeHost } from "../../host/node.ts";
import { toldHub } from "../downloads.ts";
import { loadConfig } from "../load_config.ts";
import type { Output } from "../output.ts";
import { publicDir } from "../public_dir.ts";

/**
 * `aligntune evaluate`: how the model as it starts (adapter_name_or_path included) does on the held-out rows of a
 * configuration's dataset: loss and token accuracy, preferences, or the rewards of its greedy answers.
 */
export async function evaluate(
  args: {
    readonly config: string | undefined;
    readonly recipe: string | undefined;
    readonly set: readonly string[];
    /** adapter_name_or_path. */
    readonly adapter: string | undefined;
    readonly skipBadRows: boolean;
  },
  output: Output,
): Promise<number> {
  const { config: file, recipe, set, adapter } = args;
  const loaded = await loadConfig({ file, recipe, set, adapter });
  const { config } = loaded;
  const trainer = await openTrainer({
    ...{ config, configText: loaded.text, run: "", place: "Node", skipBadRows: args.skipBadRows },
    host: createNodeHost({
      publicDir: publicDir(),
      hub: toldHub(output.downloads),
      runDir: () => config.output_dir,
    }),
    events: {
      metrics: () => {},
      step: () => {},
      checkpoint: () => {},
      sample: async () => {},
      note: () => {},
    },
  });
  try {
    const values = await trainer.evaluate();
    const lines = Object.entries(values).map(([name, value]) => `${name}: ${value.toPrecision(6)}`);
    output.emit(values, lines.join("\n"));
    return 0;
  } finally {
    trainer.close();
  }
}
