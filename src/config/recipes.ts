import { AppError } from "../lib/errors.ts";
import { ALGORITHM_TITLES, type Algorithm } from "./algorithm.ts";
import demoDapo from "./recipes/demo-dapo.yaml?raw";
import demoDpo from "./recipes/demo-dpo.yaml?raw";
import demoDrGrpo from "./recipes/demo-dr-grpo.yaml?raw";
import demoGrpo from "./recipes/demo-grpo.yaml?raw";
import demoGspo from "./recipes/demo-gspo.yaml?raw";
import demoPpo from "./recipes/demo-ppo.yaml?raw";
import demoSft from "./recipes/demo-sft.yaml?raw";
import type { Layer } from "./resolve.ts";
import { nearest } from "./suggest.ts";

/** A named configuration that comes with the application. */
export interface Recipe {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly algorithm: Algorithm;
  /** The text, as it is shown and copied. */
  readonly yaml: string;
}

/** The same task as demo-grpo by the other methods with rewards. */
const REWARD_VARIANTS: readonly Recipe[] = (
  [
    [
      "demo-dr-grpo",
      "dr_grpo",
      "Dr. GRPO: no division by the spread of a group, and a constant length.",
      demoDrGrpo,
    ],
    [
      "demo-dapo",
      "dapo",
      "DAPO: what teaches nothing is sampled again, and answers near the limit lose points.",
      demoDapo,
    ],
    ["demo-gspo", "gspo", "GSPO: one ratio for each answer, in four mini-batches a rollout.", demoGspo],
    ["demo-ppo", "ppo", "PPO: a value model of its own guesses what an answer will be worth.", demoPpo],
  ] as const
).map(([name, algorithm, what, yaml]) => ({
  name,
  title: `Teach by reward, with ${ALGORITHM_TITLES[algorithm]}`,
  description: `${what} A point for each right sum, as in demo-grpo. Works offline.`,
  algorithm,
  yaml,
}));

export const RECIPES: readonly Recipe[] = [
  {
    name: "demo-sft",
    title: "Teach the small model a manner",
    description:
      "SFT on the embedded model and data: in 64 steps it learns to answer as a sailor would, and keeps its facts. Works offline.",
    algorithm: "sft",
    yaml: demoSft,
  },
  {
    name: "demo-dpo",
    title: "Teach the small model a preference",
    description:
      "DPO on the embedded model and data: from pairs of a liked and a disliked answer it learns to answer warmly. Works offline.",
    algorithm: "dpo",
    yaml: demoDpo,
  },
  {
    name: "demo-grpo",
    title: "Teach by reward",
    description:
      "GRPO on the embedded model: a point for each right sum. The reward brings out a careful way of reckoning that the model already knows and seldom uses. Works offline.",
    algorithm: "grpo",
    yaml: demoGrpo,
  },
  ...REWARD_VARIANTS,
];

/** The recipe of a name. Throws `config-invalid` with the nearest name when there is none. */
export function findRecipe(name: string): Recipe {
  const names = RECIPES.map((recipe) => recipe.name);
  const found = RECIPES.find((recipe) => recipe.name === name);
  if (found) return found;
  const guess = nearest(name, names);
  const message = `There is no recipe "${name}". ${guess ? `Did you mean ${guess}?` : `There are: ${names.join(", ")}.`}`;
  throw new AppError("config-invalid", message, { details: { issues: [{ path: "recipe", message }] } });
}

/** What a recipe sets, ready for `resolve`. The YAML reader is loaded for it, not with the page. */
export async function recipeLayer(recipe: Recipe): Promise<Layer> {
  const { parseConfig } = await import("./parse_config.ts");
  const { values, at } = parseConfig(recipe.yaml);
  return { values, at };
}
