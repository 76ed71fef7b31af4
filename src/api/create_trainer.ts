import { ALGORITHMS, type Algorithm } from "../config/algorithm.ts";
import { locatePaths } from "../config/beside_file.ts";
import { describeChange } from "../config/describe_change.ts";
import { exportYaml } from "../config/export_yaml.ts";
import type { RunConfig, Settings } from "../config/fields.ts";
import { parseConfig } from "../config/parse_config.ts";
import { type ImportReview, readSettings } from "../config/read_settings.ts";
import { type Origin, resolve, resolveOrThrow } from "../config/resolve.ts";
import type { Asset, Host } from "../host/host.ts";
import { AppError } from "../lib/errors.ts";
import { Generator } from "../rollout/generator.ts";
import type { Sampling } from "../rollout/sampling.ts";
import { openCheckpoint } from "../storage/checkpoints.ts";
import { templateVariables } from "../trainer/template_use.ts";
import type { Outcome, RunControl, RunEvents } from "../trainer/training_run.ts";
import { type OpenTrainer, openTrainer } from "./open_trainer.ts";
import { asTurns, promptIds } from "./sampler.ts";
import { settleRevisions, withRevisionsOf } from "./settle_revisions.ts";

/**
 * What programs call: AlignTune's `create_sft_trainer` and `create_rl_trainer`. Settings are given by their names, under any known spelling, or as
 * `config` (the path of a YAML or JSON file, such a text, or an object) with overrides beside it. Paths in a file are relative to
 * it, all others to where the program runs.
 */
export interface TrainerOptions extends Settings {
  readonly config?: string | Readonly<Record<string, unknown>>;
  /** Where models, datasets and checkpoints are: createNodeHost or createBrowserHost. */
  readonly host: Host;
  /** Names the run among the host's checkpoints. */
  readonly run?: string;
  /** Continues the run from its last checkpoint. */
  readonly resume?: boolean;
  readonly skipBadRows?: boolean;
  readonly on?: Partial<RunEvents>;
  readonly place?: "the browser" | "Node";
}

export interface PredictOptions extends Partial<Sampling> {
  readonly max_new_tokens?: number;
}

export interface Trainer {
  readonly config: RunConfig;
  /** Where each setting came from. */
  readonly origins: Readonly<Record<string, Origin>>;
  /** What was changed of the configuration, or is worth knowing of the data. */
  readonly notes: readonly string[];
  readonly totalSteps: number;
  train(control?: RunControl): Promise<Outcome>;
  evaluate(): Promise<Record<string, number>>;
  /** Answers of the model as it is now: greedy unless told otherwise. */
  predict(prompts: readonly string[], options?: PredictOptions): Promise<readonly string[]>;
  /** The PEFT files (or the whole model), card, configuration, state and tokenizer. */
  saveModel(): Promise<readonly Asset[]>;
  close(): void;
}

/**
 * Supervised fine-tuning. Reads and checks the settings, then prepares the run. Throws `config-invalid` and all that
 * openTrainer throws.
 */
export function createSftTrainer(options: TrainerOptions): Promise<Trainer> {
  return createTrainer(options, ({ algorithm }) =>
    algorithm === "sft"
      ? undefined
      : `createSftTrainer trains sft; this configuration says ${algorithm}, which createRlTrainer trains.`,
  );
}

/**
 * Learning from preferences (dpo) or rewards (ppo, grpo, gspo, dapo, dr_grpo). Rewards and `processing_fn` may be functions.
 * Throws as createSftTrainer does.
 */
export function createRlTrainer(options: TrainerOptions): Promise<Trainer> {
  return createTrainer(options, ({ algorithm }, isGiven) => {
    if (algorithm !== "sft") return undefined;
    const names = ALGORITHMS.filter((name) => name !== "sft").join(", ");
    if (!isGiven) return `createRlTrainer needs an algorithm: one of ${names}.`;
    return `createRlTrainer trains ${names}; this configuration says sft, which createSftTrainer trains.`;
  });
}

/** `refuse` says why a configuration belongs to the other of the two. */
async function createTrainer(
  options: TrainerOptions,
  refuse: (config: RunConfig, isGiven: boolean) => string | undefined,
): Promise<Trainer> {
  const {
    config: given,
    host,
    run = "run",
    resume = false,
    skipBadRows = false,
    on = {},
    place,
    ...rest
  } = options;
  // Names mean what they mean to the method, which either of the two may say.
  const named = readSettings(rest);
  const file = await readConfig(given, host, named.algorithm);
  const override = named.algorithm ? named : readSettings(rest, { algorithm: file?.algorithm });
  const { config: asked, origins, notes } = resolveOrThrow({ override, file });
  const refusal = refuse(asked, origins["algorithm"]?.source !== "default");
  if (refusal !== undefined) {
    throw new AppError("config-invalid", refusal, { details: { key: "algorithm" } });
  }
  const steps = resume ? await host.checkpoints.steps(run) : [];
  if (resume && steps.length === 0)
    throw new AppError("checkpoint-invalid", `${run} has no checkpoint to resume from.`);
  const config = await settled(host, run, asked, steps.at(-1));
  const nothing = () => {};
  const opened = await openTrainer({
    ...{ host, config, configText: exportYaml({ ...config }), run, skipBadRows, resumeStep: steps.at(-1) },
    place: place ?? "Node",
    events: {
      metrics: nothing,
      step: nothing,
      checkpoint: nothing,
      note: nothing,
      sample: async () => {},
      ...on,
    },
  });
  return {
    ...{ config, origins, totalSteps: opened.totalSteps },
    notes: [
      ...reviewNotes(file),
      ...reviewNotes(override),
      ...notes.map(({ message }) => message),
      ...opened.notes,
    ],
    train: (control = { request: "go" }) => opened.train(control),
    evaluate: () => opened.evaluate(),
    predict: (prompts, predictOptions = {}) => predict(opened, config, prompts, predictOptions),
    saveModel: () => opened.exportAssets(),
    close: () => opened.close(),
  };
}

/** With the commits that the run has, or, when it begins, will have. */
async function settled(
  host: Host,
  run: string,
  asked: RunConfig,
  resumeStep: number | undefined,
): Promise<RunConfig> {
  if (resumeStep === undefined) return settleRevisions(host, asked);
  const { state } = await openCheckpoint(host.checkpoints, run, resumeStep);
  const { config: saved } = resolve({ file: parseConfig(state.config) });
  return saved === undefined ? asked : withRevisionsOf(saved, asked);
}

/** What was read otherwise than it was written, and what has no meaning here. */
function reviewNotes(review: ImportReview | undefined): readonly string[] {
  if (review === undefined) return [];
  return [
    ...review.changed.map(describeChange),
    ...review.notUsed.map(({ path, why }) => `${path} is not used. ${why}`),
  ];
}

/** A text is repaired where its indentation was flattened; what was changed is in the notes. */
async function readConfig(
  given: TrainerOptions["config"],
  host: Host,
  algorithm: Algorithm | undefined,
): Promise<ImportReview | undefined> {
  if (given === undefined) return undefined;
  if (typeof given !== "string") return readSettings(given, { algorithm });
  const path = given.trim();
  if (!IS_PATH.test(path)) return parseConfig(given, { algorithm, repair: true });
  const review = parseConfig(await host.readText(path), { algorithm, repair: true });
  const values = await locatePaths(review.values, (written) => host.pathBeside(path, written));
  return { ...review, values };
}

/** One line that ends like a file's name, and is no setting in itself. */
const IS_PATH = /^(?!.*:\s)[^\n\r{}]+\.(ya?ml|json)$/i;

async function predict(
  { gpu, engine, spec, tools }: OpenTrainer,
  config: RunConfig,
  prompts: readonly string[],
  { max_new_tokens: maxNewTokens = 128, ...sampling }: PredictOptions,
): Promise<readonly string[]> {
  if (prompts.length === 0) return [];
  const { templateVariables: variables } = templateVariables(config);
  const ids = prompts.map((prompt) => promptIds(asTurns(prompt, tools, config), tools, variables));
  const longest = Math.max(...ids.map((prompt) => prompt.length));
  const { weights, adapter, profile, arena } = engine;
  const generator = await Generator.create(gpu, {
    ...{ spec, weights, adapter, profile, arena, maxSequences: Math.min(prompts.length, 16) },
    ...{ maxPromptTokens: longest, maxLength: longest + maxNewTokens },
  });
  const greedy: Sampling = {
    temperature: 0,
    top_k: 0,
    top_p: 1,
    min_p: 0,
    repetition_penalty: 1,
    seed: config.seed,
  };
  const { stopIds } = tools.tokenizer;
  const completions = await generator.generate({
    ...{ prompts: ids, maxNewTokens, stopIds, sampling: { ...greedy, ...sampling } },
  });
  return completions.map(({ ids: answer }) => tools.tokenizer.decode(answer, { skipSpecialTokens: true }));
}
