import type { RewardId } from "../config/reward_catalog.ts";
import { accuracy } from "./accuracy.ts";
import { bleu } from "./bleu.ts";
import { contains } from "./contains.ts";
import { cosineScaled } from "./cosine_scaled.ts";
import { format } from "./format.ts";
import { jsonValid } from "./json_valid.ts";
import { length } from "./length.ts";
import { mathCorrectness } from "./math_correctness.ts";
import { mathReasoning } from "./math_reasoning.ts";
import { regex } from "./regex.ts";
import { repetitionPenalty } from "./repetition_penalty.ts";
import type { Reward } from "./reward.ts";
import { rouge } from "./rouge.ts";
import { softOverlongPunishment } from "./soft_overlong_punishment.ts";
import { thinkFormat } from "./think_format.ts";

/** Every built-in reward, by its id in the catalogue. */
export const BUILT_IN: { readonly [Id in RewardId]: Reward<Id> } = {
  accuracy,
  math_correctness: mathCorrectness,
  math_reasoning: mathReasoning,
  length,
  format,
  think_format: thinkFormat,
  regex,
  json_valid: jsonValid,
  contains,
  cosine_scaled: cosineScaled,
  repetition_penalty: repetitionPenalty,
  soft_overlong_punishment: softOverlongPunishment,
  bleu,
  rouge,
};
