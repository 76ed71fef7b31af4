import { ALGORITHM_TITLES } from "../config/algorithm.ts";
import type { RunConfig } from "../config/fields.ts";
import type { ExportInput } from "../formats/export_bundle.ts";
import type { LogRow } from "../formats/trainer_state.ts";
import type { TextTools } from "../trainer/prepare_data.ts";

/** What the model card says of how the run ended, where it was measured. */
const CARD_METRICS = [
  ...["loss", "eval_loss", "mean_token_accuracy", "eval_mean_token_accuracy"],
  ...["rewards/accuracies", "eval_rewards/accuracies", "rewards/margins", "eval_rewards/margins"],
  ...["reward", "eval_reward", "kl", "objective/rlhf_reward", "objective/kl"],
];

const CARD_SETTINGS = [
  ...([
    "learning_rate",
    "batch_size",
    "gradient_accumulation_steps",
    "lr_scheduler",
    "warmup_ratio",
  ] as const),
  ...(["max_seq_length", "lora_rank", "lora_alpha", "optim", "seed"] as const),
];

export interface RunFacts {
  readonly config: RunConfig;
  readonly place: "the browser" | "Node";
  readonly device: string | null;
  readonly steps: number;
  readonly log: readonly LogRow[];
}

/** The model card of a run, from its configuration and its log. */
export function runCard({ config, place, device, steps, log }: RunFacts): ExportInput["card"] {
  const last = Object.assign({}, ...log) as Record<string, unknown>;
  const metrics = Object.fromEntries(
    CARD_METRICS.flatMap((name) => (typeof last[name] === "number" ? [[name, last[name]]] : [])),
  );
  return {
    run: config.run_name ?? "run",
    baseModel: config.model_name,
    baseRevision: config.model_revision,
    algorithm: config.algorithm,
    algorithmLabel: ALGORITHM_TITLES[config.algorithm],
    datasets:
      config.dataset_name === null
        ? []
        : [config.dataset_name, ...config.more_datasets.map(({ name }) => name)],
    license: null,
    ...{ place, device, steps, metrics },
    settings: Object.fromEntries(CARD_SETTINGS.map((key) => [key, config[key]])),
    versions: {},
    examplePrompt: "Hello",
  };
}

/** The chat template that the run used when it is not the base's own. */
export function ownTemplate({ template }: TextTools): string | undefined {
  return template?.source === "chatml" ? template.text : undefined;
}
