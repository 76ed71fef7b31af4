import { compilePattern } from "../config/reward_catalog.ts";
import { invariant } from "../lib/errors.ts";
import { defineReward } from "./reward.ts";

export const regex = defineReward("regex", ({ pattern, full_match: whole, ignore_case: ignoreCase }) => {
  invariant(pattern !== null, "regex has a pattern");
  const found = compilePattern(pattern, ignoreCase ? "i" : "");
  // Not ^ and $, which the flag m would turn into the ends of a line.
  const tested = whole ? new RegExp(`(?<![^])(?:${found.source})(?![^])`, found.flags) : found;
  return ({ completion }) => Number(tested.test(completion));
});
