import { ALGORITHM_TITLES } from "../config/algorithm.ts";
import type { RunConfig } from "../config/fields.ts";

export interface ReadmeInput {
  readonly config: RunConfig;
  /** Where the weights of the run are. */
  readonly folder: "adapter" | "model";
  readonly script: boolean;
  readonly notes: readonly string[];
}

/** What lies in the folder, and the commands that go on with it. */
export function clusterReadme({ config, folder, script, notes }: ReadmeInput): string {
  const title = `${config.run_name ?? "A run"}: ${ALGORITHM_TITLES[config.algorithm]} on ${config.model_name}`;
  const run = script
    ? [
        "```bash",
        "pip install -r requirements.txt",
        "python train.py                      # one GPU, or none",
        "accelerate launch train.py           # all GPUs of `accelerate config`",
        "```",
        "",
        "`--max-steps 2` tries it out, `--output DIR` says where the result goes, `--model DIR` takes the base model from a folder.",
        "settings.py holds the run's settings in the words of TRL. The examples of a step, and of a rollout, stay as many on any number of GPUs that divides them.",
      ]
    : [];
  const weights =
    folder === "adapter"
      ? "adapter/ is what the run learned, in PEFT's format; training goes on from it with a fresh optimizer and the schedule from its beginning."
      : "model/ is the model as the run left it; training goes on from it with a fresh optimizer and the schedule from its beginning.";
  return `${[
    `# ${title}`,
    "",
    "Exported from AlignTune in the browser, to go on where there is more than one machine.",
    "",
    ...run,
    ...(script ? [""] : []),
    `- ${weights}`,
    "- data/ holds the rows as they were trained on: processed, mapped, with their system prompt, before the chat template.",
    "- training_config.yaml is the same run for AlignTune: `aligntune train --config training_config.yaml`.",
    ...(notes.length > 0 ? ["", "## What is different", "", ...notes.map((note) => `- ${note}`)] : []),
  ].join("\n")}\n`;
}
