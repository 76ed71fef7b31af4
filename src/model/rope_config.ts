import type { RopeScaling } from "../kernels/rope/tables.ts";
import { AppError } from "../lib/errors.ts";
import { ConfigReader } from "./config_reader.ts";
import type { RopeSpec } from "./spec.ts";

export interface RopeDefaults {
  /** Where settings differ by layer type (Gemma 3): which to read. */
  readonly layerType?: string;
  /** Key of the base beside `rope_scaling`, as transformers 4 wrote it; rope_theta when absent. */
  readonly thetaKey?: string;
  /** The base where the config has none; 10000 when absent. */
  readonly theta?: number;
  /** False for layers that the older `rope_scaling` never reached. */
  readonly scaled?: boolean;
  /** Whether the architecture can rotate the first channels of a head only. */
  readonly partial?: boolean;
  /** original_max_position_embeddings of the model where config.json has none. */
  readonly originalMaxPositions?: number;
  /** Other names of scalings, by the name that stands in the config. */
  readonly alias?: Readonly<Record<string, string>>;
}

/**
 * Rotary settings as transformers 5 writes them (`rope_parameters`, for some models one per layer type) or as transformers 4
 * did (`rope_theta`, `rope_scaling`), read with the precedence of transformers 5: a scaling of the older form first, the
 * base and the rotated fraction from beside the scaling last.
 */
export function readRope(config: ConfigReader, headDim: number, defaults: RopeDefaults = {}): RopeSpec {
  const own = settingsOf(config, defaults);
  const { thetaKey = "rope_theta", partial = false } = defaults;
  const base = config.positive(thetaKey, defaults.theta ?? 10000);
  const holder = own.has("partial_rotary_factor") ? own : config;
  if (!partial) holder.only("partial_rotary_factor", [1], "rotating a part of each head");
  const fraction = holder.positive("partial_rotary_factor", 1);
  if (fraction > 1) throw holder.bad("partial_rotary_factor", "at most 1");
  const dim = Math.trunc(headDim * fraction);
  if (dim < 2) throw holder.bad("partial_rotary_factor", `more than ${2 / headDim}, so that a channel turns`);
  // An odd number of channels is rounded up to whole pairs, whose angles still divide by the odd number.
  const rotary = 2 * Math.ceil(dim / 2);
  return {
    theta: own.positive("rope_theta", base),
    rotary,
    ...(dim === rotary ? {} : { dim }),
    scaling: readScaling(config, own, rotary / 2, defaults),
  };
}

/** The object that holds the settings of these layers; empty where config.json has none. */
function settingsOf(config: ConfigReader, { layerType, scaled = true }: RopeDefaults): ConfigReader {
  const older = scaled ? config.child("rope_scaling") : undefined;
  const newer = config.child("rope_parameters");
  if (layerType !== undefined) return newer?.child(layerType) ?? older ?? new ConfigReader({});
  if (older?.has("rope_type") || older?.has("type")) return older;
  const flat = newer?.has("rope_type") || newer?.has("type") || newer?.has("rope_theta");
  return (flat ? newer : (newer?.child("full_attention") ?? newer)) ?? new ConfigReader({});
}

function readScaling(
  config: ConfigReader,
  own: ConfigReader,
  pairs: number,
  { originalMaxPositions, alias = {} }: RopeDefaults,
): RopeScaling {
  const named = own.text("rope_type", own.text("type", "default"));
  const type = Object.hasOwn(alias, named) ? alias[named] : named;
  const key = "original_max_position_embeddings";
  // The model's own key wins over the scaling's, as in transformers.
  const original = () => {
    if (config.has(key)) return config.count(key);
    return originalMaxPositions ?? own.count(key, config.count("max_position_embeddings"));
  };
  const ratio = () => config.count("max_position_embeddings") / original();
  const number = (name: string) => (own.has(name) ? own.number(name) : undefined);
  switch (type) {
    case "default":
      return { type };
    case "linear":
    case "dynamic":
      return { type, factor: own.positive("factor") };
    case "llama3":
      return {
        type,
        factor: own.positive("factor"),
        lowFreqFactor: own.positive("low_freq_factor"),
        highFreqFactor: own.positive("high_freq_factor"),
        originalMaxPositions: original(),
      };
    case "yarn":
      return {
        type,
        factor: own.says("factor") && !own.has("factor") ? ratio() : own.positive("factor"),
        originalMaxPositions: original(),
        betaFast: own.positive("beta_fast", 32),
        betaSlow: own.positive("beta_slow", 1),
        truncate: own.flag("truncate", true),
        attentionFactor: own.optional("attention_factor", undefined),
        mscale: number("mscale"),
        mscaleAllDim: number("mscale_all_dim"),
      };
    case "longrope":
      return {
        type,
        shortFactors: own.positives("short_factor", pairs),
        longFactors: own.positives("long_factor", pairs),
        factor: own.positive("factor", ratio()),
        originalMaxPositions: original(),
        attentionFactor: own.optional("attention_factor", undefined),
      };
    default:
      throw new AppError(
        "model-unsupported",
        `Rotary scaling "${named}" is not supported. Supported: default, linear, dynamic, yarn, longrope, llama3.`,
        { details: { rope_type: named } },
      );
  }
}
