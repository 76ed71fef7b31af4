import type { RewardData } from "../../config/reward_data.ts";
import type { RewardSpec } from "../../config/rewards.ts";

/** What a reward is called: its own name, else what the catalogue calls it. */
export const rewardTitle = (reward: RewardSpec | undefined, known: RewardData | undefined): string =>
  reward?.name ?? known?.label ?? reward?.type ?? "";

/** What is wrong with one reward, by the place inside it: `params.pattern`, `language`, or empty for the whole. */
export function issuesOf(
  issues: readonly {
    readonly path: string;
    readonly message: string;
    readonly suggestion?: string | undefined;
  }[],
  index: number,
): ReadonlyMap<string, string> {
  const start = `rewards.${index}`;
  return new Map(
    issues
      .filter(({ path }) => path === start || path.startsWith(`${start}.`))
      .map(({ path, message, suggestion }) => [
        path.slice(start.length + 1),
        `${message}${suggestion ? ` Did you mean ${suggestion}?` : ""}`,
      ]),
  );
}
