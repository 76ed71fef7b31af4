import { equationsIn } from "./arithmetic.ts";
import { defineReward } from "./reward.ts";

/** AlignTune also counts bare operations, which are always right: there only the equations of a text say anything. */
export const mathCorrectness = defineReward("math_correctness", ({ tolerance }) => ({ completion }) => {
  const equations = equationsIn(completion);
  const right = equations.filter(({ left, right }) => Math.abs(left - right) <= tolerance);
  return equations.length === 0 ? 0 : right.length / equations.length;
});
