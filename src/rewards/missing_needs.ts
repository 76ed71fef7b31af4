import { needsReference } from "../config/check_rewards.ts";
import { type RewardSpec, rewardNames } from "../config/rewards.ts";

/** The sentence for the error when no reward can say anything of these rows; undefined when at least one can. */
export function missingNeeds(
  rewards: readonly RewardSpec[],
  data: { readonly hasReference: boolean },
): string | undefined {
  const counting = rewards.filter(({ weight }) => weight !== 0);
  if (data.hasReference || counting.length === 0 || !counting.every(needsReference)) return undefined;
  const names = rewardNames(counting);
  const [who, verb] =
    names.length === 1
      ? [`The reward ${names[0]}`, "compares"]
      : [`All rewards (${names.join(", ")})`, "compare"];
  return `${who} ${verb} answers with a reference, and the rows have none. Say which column holds it (column_mapping: {that column: reference}), or add a reward that needs none, such as format or length.`;
}
