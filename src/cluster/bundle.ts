import { rewardParams } from "../config/check_rewards.ts";
import { exportYaml } from "../config/export_yaml.ts";
import type { RunConfig } from "../config/fields.ts";
import { isRewardId } from "../config/reward_catalog.ts";
import { languageOfCode, languageOfFile } from "../config/reward_source.ts";
import { REWARD_MODEL, type RewardSpec, rewardNames } from "../config/rewards.ts";
import type { Example } from "../data/example.ts";
import type { Asset } from "../host/host.ts";
import { memoryAsset } from "../host/memory.ts";
import { AppError } from "../lib/errors.ts";
import adapter from "../sandbox/adapter.py?raw";
import { repairPython } from "../sandbox/repair_python.ts";
import { pythonLiteral } from "./python_literal.ts";
import { clusterReadme } from "./readme.ts";
import rewardsProgram from "./rewards.py?raw";
import { trlRows } from "./rows.ts";
import textRewards from "./text_rewards.py?raw";
import trainProgram from "./train.py?raw";
import { type TrlArguments, trlArguments } from "./trl_arguments.ts";

export interface ClusterInput {
  readonly config: RunConfig;
  /** The rows in canonical form; undefined for a run on recorded rollouts. */
  readonly rows: { readonly train: readonly Example[]; readonly validation: readonly Example[] } | undefined;
  /** What the run hands out: PEFT's files or the whole model, with the tokenizer. */
  readonly files: readonly Asset[];
  readonly totalSteps: number;
  /** The text of a file of a person's code. */
  readonly readText: (path: string) => Promise<string>;
}

/** A reward as rewards.py reads it, and the file that its own code goes to. */
interface PythonReward {
  readonly spec: Readonly<Record<string, unknown>>;
  readonly file: { readonly name: string; readonly text: string } | undefined;
}

export interface ClusterBundle {
  readonly files: readonly Asset[];
  /** What is different there, or missing, for people. */
  readonly notes: readonly string[];
}

/**
 * A run as a folder for a cluster: AlignTune's YAML, and a script for TRL that goes on from the weights. Where TRL cannot do
 * what the run does, the folder has no script and the notes say why. Throws `config-invalid` for a run without rows.
 */
export async function clusterBundle(input: ClusterInput): Promise<ClusterBundle> {
  const { config, rows, files } = input;
  if (rows === undefined) {
    throw new AppError(
      "config-invalid",
      "A run on recorded rollouts (rollouts_path) generates nothing, which TRL cannot do. Export a run that has a dataset.",
      { details: { key: "rollouts_path" } },
    );
  }
  const folder = config.peft_enabled ? "adapter" : "model";
  const script = await scriptFor(input);
  const notes = [...(typeof script === "string" ? [script] : script.arguments.notes), ...baseNote(config)];
  const programs = typeof script === "string" ? [] : programFiles(config, script);
  return {
    notes,
    files: [
      text("README.md", clusterReadme({ config, folder, script: typeof script !== "string", notes })),
      text("training_config.yaml", await alignTuneYaml(input, rows.validation.length > 0)),
      ...programs,
      text("data/train.jsonl", trlRows(rows.train, config)),
      ...(rows.validation.length > 0
        ? [text("data/validation.jsonl", trlRows(rows.validation, config))]
        : []),
      ...files
        .filter(({ name }) => !RECORDS.has(name))
        .map((file) => ({ ...file, name: `${folder}/${file.name}` })),
    ],
  };
}

/** Only an id with an owner can be fetched by others. */
function baseNote({ peft_enabled: adapter, model_name: name }: RunConfig): string[] {
  if (!adapter || /^[\w-][\w.-]*\/[\w-][\w.-]*$/.test(name)) return [];
  return [
    `The base model ${name} is not one of the hub: give its folder with --model, and in training_config.yaml.`,
  ];
}

interface Script {
  readonly arguments: TrlArguments;
  readonly rewards: readonly PythonReward[];
}

/** What the script says, or why there is none. */
async function scriptFor(input: ClusterInput): Promise<Script | string> {
  const given = trlArguments(input.config, input.totalSteps);
  if (given === undefined)
    return `There is no train.py: trl ${TRL} has no PPO trainer. The weights, rows and AlignTune's configuration are here.`;
  const rewards = given.trainer === "grpo" ? await pythonRewards(input) : [];
  const refused = rewards.find((reward) => typeof reward === "string");
  if (refused !== undefined) return `There is no train.py: ${refused}`;
  return { arguments: given, rewards: rewards.filter((reward) => typeof reward !== "string") };
}

/** Of the run, not of its weights. */
const RECORDS = new Set(["README.md", "training_config.yaml", "trainer_state.json"]);

const text = (name: string, content: string): Asset => memoryAsset(name, new TextEncoder().encode(content));

/** AlignTune reads rows by itself: from the files beside it, which have the rows as they were trained on. */
async function alignTuneYaml({ config, readText }: ClusterInput, heldOut: boolean): Promise<string> {
  const values = {
    ...config,
    dataset_name: "data/train.jsonl",
    eval_dataset_name: heldOut ? "data/validation.jsonl" : null,
    split: "train",
    config_name: null,
    column_mapping: null,
    more_datasets: [],
    dataset_weight: 1,
    text_column: null,
    processing_fn: null,
    system_prompt: null,
    max_samples: null,
    percent: null,
    val_split_ratio: 0,
    test_split_ratio: 0,
    adapter_name_or_path: config.peft_enabled ? "adapter" : null,
    ...(!config.peft_enabled && { model_name: "model" }),
    ...("rewards" in config && {
      rewards: await Promise.all(config.rewards.map((spec) => selfContained(spec, readText))),
    }),
  };
  return exportYaml(values, {
    shape: "nested",
    title:
      "The run for AlignTune. The rows are processed and mapped already; paths are relative to this folder.",
  });
}

/** A reward whose code is in a file has it in the configuration there: the file stays behind. */
async function selfContained(spec: RewardSpec, readText: ClusterInput["readText"]): Promise<RewardSpec> {
  const { file, ...rest } = spec;
  if (file === undefined) return spec;
  const language = spec.language ?? languageOfFile(file);
  return { ...rest, code: await readText(file), ...(language && { language }) };
}

function programFiles(config: RunConfig, { arguments: given, rewards }: Script): Asset[] {
  const own = rewards.flatMap(({ file }) => file ?? []);
  return [
    text("settings.py", settings(config, given, rewards)),
    text("train.py", trainProgram),
    text("requirements.txt", requirements(config, given, rewards)),
    ...(rewards.length > 0 ? [text("rewards.py", rewardsProgram), text("text_rewards.py", textRewards)] : []),
    ...(own.length > 0 ? [text("adapter.py", adapter)] : []),
    ...own.map(({ name, text: code }) => text(name, code)),
  ];
}

function settings(config: RunConfig, script: TrlArguments, rewards: readonly PythonReward[]): string {
  const lora = {
    r: config.lora_rank,
    lora_alpha: config.lora_alpha,
    lora_dropout: config.lora_dropout,
    target_modules: config.target_modules,
    use_rslora: config.use_rslora,
  };
  const values: readonly (readonly [string, unknown])[] = [
    ["TRAINER", script.trainer],
    ["MODEL", config.peft_enabled ? config.model_name : "model"],
    ["REVISION", config.model_revision],
    ["LOAD_IN_4BIT", config.load_in_4bit === true],
    ["LORA", config.peft_enabled ? lora : null],
    ["EARLY_STOPPING", script.earlyStopping],
    ["ARGUMENTS", script.values],
    ["REWARDS", rewards.map(({ spec }) => spec)],
  ];
  const lines = values.map(([name, value]) => `${name} = ${pythonLiteral(value)}`);
  return `"""The settings of the run in the words of TRL ${TRL} and transformers."""\n\n${lines.join("\n")}\n`;
}

const TRL = "1.13";

function requirements(
  config: RunConfig,
  { trainer }: TrlArguments,
  rewards: readonly PythonReward[],
): string {
  const types = rewards.map(({ spec }) => spec["type"]);
  return [
    `trl>=${TRL},<2`,
    "transformers>=5.0,<6",
    "accelerate>=1.0",
    "datasets>=4.0",
    ...(config.peft_enabled ? ["peft>=0.21"] : []),
    ...(config.load_in_4bit === true || config.optim === "adamw_8bit" ? ["bitsandbytes>=0.45"] : []),
    ...(trainer === "grpo" ? ["regex"] : []),
    ...(types.includes("bleu") ? ["sacrebleu"] : []),
    ...(types.includes("rouge") ? ["nltk"] : []),
    "",
  ].join("\n");
}

/** Each reward for Python, or in words why it cannot be. */
async function pythonRewards({ config, readText }: ClusterInput): Promise<(PythonReward | string)[]> {
  if (!("rewards" in config)) return [];
  const given = withOverlongPenalty(config);
  const names = rewardNames(given);
  const rewards: (PythonReward | string)[] = [];
  for (const [i, spec] of given.entries()) {
    rewards.push(await pythonReward(spec, names[i] ?? spec.type, { config, index: i, readText }));
  }
  return rewards;
}

/** DAPO's penalty is no reward here, and one in TRL. */
function withOverlongPenalty(
  config: RunConfig & { readonly rewards: readonly RewardSpec[] },
): readonly RewardSpec[] {
  if (!("overlong_penalty" in config) || !config.overlong_penalty) return config.rewards;
  const params = {
    max_completion_len: config.max_completion_length,
    soft_punish_cache: config.overlong_buffer,
  };
  return [
    ...config.rewards,
    { type: "soft_overlong_punishment", name: "overlong_penalty", weight: 1, params },
  ];
}

async function pythonReward(
  spec: RewardSpec,
  name: string,
  {
    config,
    index,
    readText,
  }: { readonly config: RunConfig; readonly index: number; readonly readText: ClusterInput["readText"] },
): Promise<PythonReward | string> {
  const { type, weight } = spec;
  const common = { name, type, weight, normalize: spec.normalize === true, clip: spec.clip ?? null };
  if (isRewardId(type)) {
    const params = rewardParams(type, spec.params);
    return { spec: { ...common, params, file: null, function: null }, file: undefined };
  }
  if (type === REWARD_MODEL) {
    if (common.normalize || common.clip !== null)
      return `TRL scores with ${name} itself, and neither normalizes nor clips it.`;
    const model = "reward_model_name" in config ? config.reward_model_name : null;
    return { spec: { ...common, model, params: {}, file: null, function: null }, file: undefined };
  }
  const code = spec.file === undefined ? spec.code : await readText(spec.file);
  if (typeof code !== "string")
    return `the reward ${name} is a function of a running program, which no file can hold.`;
  const language =
    spec.language ?? (spec.file === undefined ? languageOfCode(code) : languageOfFile(spec.file));
  if (language !== "python")
    return `the reward ${name} is JavaScript, which TRL cannot call. Write it in Python.`;
  const file = `reward_${index + 1}.py`;
  return {
    spec: { ...common, params: spec.params, file, function: spec.function ?? null },
    file: { name: file, text: repairPython(code)?.code ?? code },
  };
}
