import { type StepValues, ZERO_STEP } from "../gpu/step.ts";
import { AppError } from "../lib/errors.ts";

/** How the next token is chosen; the names and meanings are Hugging Face's. */
export interface Sampling {
  /** Divides the logits; 0 takes the likeliest token, the lowest id of equals. */
  readonly temperature: number;
  /** Draws from this many of the likeliest tokens; 0 is off. */
  readonly top_k: number;
  /** Draws from the likeliest tokens that make up this share; 1 is off. */
  readonly top_p: number;
  /** Leaves out tokens less likely than this share of the likeliest; 0 is off. */
  readonly min_p: number;
  /** Makes tokens of the prompt and of the answer so far less likely; 1 is off. */
  readonly repetition_penalty: number;
  /** Of the noise; greedy decoding has none. */
  readonly seed: number;
}

/** The likeliest token every time. */
export const GREEDY: Sampling = {
  temperature: 0,
  top_k: 0,
  top_p: 1,
  min_p: 0,
  repetition_penalty: 1,
  seed: 0,
};

const RULES: readonly [keyof Sampling, string, (value: number) => boolean][] = [
  ["temperature", "a number of at least 0", (value) => value >= 0],
  ["top_k", "an integer of at least 0", (value) => Number.isInteger(value) && value >= 0],
  ["top_p", "above 0 and at most 1", (value) => value > 0 && value <= 1],
  ["min_p", "from 0 to 1", (value) => value >= 0 && value <= 1],
  ["repetition_penalty", "a number above 0", (value) => value > 0],
  ["seed", "an integer", (value) => Number.isInteger(value)],
];

/** Throws `config-invalid` naming the setting, its rule and its value. */
export function checkSampling(sampling: Sampling): void {
  for (const [name, rule, holds] of RULES) {
    const value = sampling[name];
    if (Number.isFinite(value) && holds(value)) continue;
    throw new AppError("config-invalid", `${name} must be ${rule}, and is ${value}.`, { details: { name } });
  }
}

/** `Step` of the decoding step that makes token `index` of each of `rows` sequences. */
export function decodeStep(sampling: Sampling, rows: number, index: number): StepValues {
  const { temperature, top_k, top_p, min_p, repetition_penalty: penalty, seed } = sampling;
  const counts = { N: rows, M: rows, R: rows };
  return { ...ZERO_STEP, ...counts, temperature, top_k, top_p, min_p, penalty, seed, step: index };
}
