import { AppError } from "../lib/errors.ts";
import { isRecord } from "./json.ts";

/** What a LoRA adapter says of itself, checked; the words of PEFT in camel case. */
export interface AdapterConfig {
  readonly r: number;
  readonly loraAlpha: number;
  readonly loraDropout: number;
  readonly useRslora: boolean;
  /** Suffixes of module paths, or one regular expression for the whole path, or "all-linear". */
  readonly targetModules: readonly string[] | string;
  /** True when the base stores its weights as [in, out] (GPT-2's Conv1D). */
  readonly fanInFanOut: boolean;
  readonly baseModel: string | null;
  readonly revision: string | null;
}

/** The factor of the adapter's branch: alpha / r, or alpha / sqrt(r) with rsLoRA. Source: PEFT, LoraLayer.update_layer. */
export function adapterScale(config: Pick<AdapterConfig, "r" | "loraAlpha" | "useRslora">): number {
  return config.loraAlpha / (config.useRslora ? Math.sqrt(config.r) : config.r);
}

/** Settings that change the result and that we do not have. Any value that turns one on is refused by name. */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  use_dora: "DoRA (a magnitude per output row)",
  use_qalora: "QA-LoRA (pooled inputs)",
  use_bdlora: "block-diagonal LoRA",
  rank_pattern: "a rank of its own for some modules",
  alpha_pattern: "an alpha of its own for some modules",
  modules_to_save: "fully trained modules beside the adapter",
  lora_bias: "a bias in lora_B",
  target_parameters: "adapters on bare parameters",
  layer_replication: "repeated layers",
  trainable_token_indices: "trained token embeddings",
  alora_invocation_tokens: "an adapter that starts at certain tokens (aLoRA)",
  arrow_config: "routing between adapters (Arrow)",
  kasa_config: "KaSA",
  monteclora_config: "MonteCLoRA",
  velora_config: "VeLoRA",
  megatron_config: "Megatron's parallel layers",
};

/** Initialisations that leave the base weights alone; the others (pissa, olora, loftq, corda) change the base as well. */
const PLAIN_INITS: readonly unknown[] = [undefined, null, true, false, "gaussian", "eva", "orthogonal"];

const KNOWN: ReadonlySet<string> = new Set([
  ...Object.keys(UNSUPPORTED),
  ...[
    "r",
    "lora_alpha",
    "lora_dropout",
    "use_rslora",
    "target_modules",
    "fan_in_fan_out",
    "bias",
    "peft_type",
  ],
  ...[
    "base_model_name_or_path",
    "revision",
    "task_type",
    "init_lora_weights",
    "inference_mode",
    "peft_version",
  ],
  // What follows chooses modules at creation, starts values or guides other trainers; the tensors already show it.
  ...[
    "auto_mapping",
    "exclude_modules",
    "layers_pattern",
    "layers_to_transform",
    "loftq_config",
    "eva_config",
  ],
  ...[
    "corda_config",
    "lora_ga_config",
    "ensure_weight_tying",
    "megatron_core",
    "qalora_group_size",
    "runtime_config",
  ],
]);

function isOff(value: unknown): boolean {
  if (value === undefined || value === null || value === false) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

/**
 * Checks adapter_config.json. `notes` names settings that we do not know and that are on, to be shown to the person.
 * Throws `adapter-unsupported` naming the setting and its value, `file-invalid` for values of the wrong type.
 */
export function parseAdapterConfig(
  file: string,
  json: Readonly<Record<string, unknown>>,
): { config: AdapterConfig; notes: readonly string[] } {
  checkSupported(file, json);
  const notes = Object.keys(json)
    .filter((key) => !(KNOWN.has(key) || isOff(json[key])))
    .map((key) => `${file}: ${key} ${JSON.stringify(json[key])} is not known and was not used.`);
  const r = numberIn(file, json, "r", 8);
  if (!Number.isSafeInteger(r) || r < 1) return invalid(file, "r", r, "a whole number from 1");
  const loraAlpha = numberIn(file, json, "lora_alpha", 8);
  const loraDropout = numberIn(file, json, "lora_dropout", 0);
  if (loraDropout < 0 || loraDropout >= 1)
    return invalid(file, "lora_dropout", loraDropout, "at least 0 and below 1");
  const config: AdapterConfig = {
    r,
    loraAlpha,
    loraDropout,
    useRslora: flagIn(file, json, "use_rslora"),
    targetModules: readTargets(file, json["target_modules"]),
    fanInFanOut: flagIn(file, json, "fan_in_fan_out"),
    baseModel: textIn(file, json, "base_model_name_or_path"),
    revision: textIn(file, json, "revision"),
  };
  return { config, notes };
}

function checkSupported(file: string, json: Readonly<Record<string, unknown>>): void {
  const lacking = (key: string, what: string) => {
    throw new AppError(
      "adapter-unsupported",
      `${file}: ${key} is ${JSON.stringify(json[key])}: ${what}. Such adapters are not supported; merge it into its base with PEFT and open the merged model.`,
      { details: { file, setting: key, value: json[key] } },
    );
  };
  if (json["peft_type"] !== "LORA") lacking("peft_type", "only LORA can be read");
  for (const [key, what] of Object.entries(UNSUPPORTED)) if (!isOff(json[key])) lacking(key, what);
  if (json["bias"] !== undefined && json["bias"] !== "none") lacking("bias", "trained biases of the base");
  const task = json["task_type"] ?? "CAUSAL_LM";
  if (task !== "CAUSAL_LM") lacking("task_type", "only CAUSAL_LM can be read");
  if (!PLAIN_INITS.includes(json["init_lora_weights"]))
    lacking("init_lora_weights", "it changes the base weights too");
}

function readTargets(file: string, value: unknown): readonly string[] | string {
  if (typeof value === "string" && value !== "") return value;
  if (Array.isArray(value) && value.length > 0 && value.every((entry) => typeof entry === "string"))
    return value;
  return invalid(file, "target_modules", value, "a list of module names or a regular expression");
}

function numberIn(
  file: string,
  json: Readonly<Record<string, unknown>>,
  key: string,
  otherwise: number,
): number {
  const value = json[key] ?? otherwise;
  return typeof value === "number" ? value : invalid(file, key, value, "a number");
}

function flagIn(file: string, json: Readonly<Record<string, unknown>>, key: string): boolean {
  const value = json[key] ?? false;
  return typeof value === "boolean" ? value : invalid(file, key, value, "true or false");
}

function textIn(file: string, json: Readonly<Record<string, unknown>>, key: string): string | null {
  const value = json[key] ?? null;
  return value === null || typeof value === "string" ? value : invalid(file, key, value, "a text or null");
}

function invalid(file: string, key: string, value: unknown, wanted: string): never {
  throw new AppError("file-invalid", `${file}: ${key} is ${JSON.stringify(value)}; it must be ${wanted}.`, {
    details: { file, setting: key, value: isRecord(value) ? { ...value } : value },
  });
}

/**
 * Whether an adapter with these targets covers the module. Source: PEFT, check_target_module_exists: a list matches by
 * the whole path or by its end after a dot, a text is a regular expression for the whole path.
 * "all-linear" covers what the model calls linear, so every path is answered with yes.
 * Throws `adapter-unsupported` for a regular expression that JavaScript cannot read.
 */
export function targetsModule(targets: readonly string[] | string, path: string): boolean {
  if (typeof targets !== "string") return targets.some((name) => path === name || path.endsWith(`.${name}`));
  if (targets === "all-linear") return true;
  try {
    return new RegExp(`^(?:${targets})$`).test(path);
  } catch (cause) {
    throw new AppError(
      "adapter-unsupported",
      `target_modules: the expression ${targets} cannot be read. ${String(cause)}`,
      {
        details: { setting: "target_modules", value: targets },
        cause,
      },
    );
  }
}

/**
 * adapter_config.json as PEFT writes it (sorted keys, two spaces), with the settings that every version of PEFT knows:
 * versions before 0.15 stop at a key that is new to them.
 */
export function formatAdapterConfig(config: AdapterConfig): string {
  const targets = config.targetModules;
  return JSON.stringify(
    {
      alpha_pattern: {},
      auto_mapping: null,
      base_model_name_or_path: config.baseModel,
      bias: "none",
      fan_in_fan_out: config.fanInFanOut,
      inference_mode: true,
      init_lora_weights: true,
      layers_pattern: null,
      layers_to_transform: null,
      lora_alpha: config.loraAlpha,
      lora_dropout: config.loraDropout,
      modules_to_save: null,
      peft_type: "LORA",
      r: config.r,
      rank_pattern: {},
      revision: config.revision,
      target_modules: typeof targets === "string" ? targets : [...targets].sort(),
      task_type: "CAUSAL_LM",
      use_dora: false,
      use_rslora: config.useRslora,
    },
    null,
    2,
  );
}
