import type { RewardSpec } from "../config/rewards.ts";

/** The list of rewards of the document, and its changes. Pure. */

export type RewardLanguage = NonNullable<RewardSpec["language"]>;

const TEMPLATES: Readonly<Record<RewardLanguage, string>> = {
  javascript: `// Called for each answer. Return a number; null where it does not apply.
function my_reward(text, reference) {
  return reference !== null && text.includes(reference) ? 1 : 0;
}
`,
  typescript: `// Called for each answer. Return a number; null where it does not apply.
function my_reward(text: string, reference: string | null): number | null {
  return reference !== null && text.includes(reference) ? 1 : 0;
}
`,
  python: `# Called for each answer. Return a number; None where it does not apply.
def my_reward(text, reference=None, **kwargs):
    return 1.0 if reference is not None and reference in text else 0.0
`,
};

export const LANGUAGE_NAMES: Readonly<Record<RewardLanguage, string>> = {
  javascript: "JavaScript",
  typescript: "TypeScript",
  python: "Python",
};

/** Whether a person has written something that would be lost. */
export const hasOwnCode = ({ code }: RewardSpec): boolean =>
  typeof code === "string" && code.trim() !== "" && !Object.values(TEMPLATES).includes(code);

const freeName = (rewards: readonly RewardSpec[]): string => {
  const taken = new Set(rewards.map(({ name }) => name));
  for (let i = 1; ; i++) {
    const name = i === 1 ? "my_reward" : `my_reward_${i}`;
    if (!taken.has(name)) return name;
  }
};

export const withBuiltIn = (rewards: readonly RewardSpec[], type: string): readonly RewardSpec[] => [
  ...rewards,
  { type, weight: 1, params: {} },
];

export const withCustom = (
  rewards: readonly RewardSpec[],
  language: RewardLanguage,
): readonly RewardSpec[] => [
  ...rewards,
  { type: "custom", weight: 1, params: {}, name: freeName(rewards), code: TEMPLATES[language], language },
];

/** One reward changed; a value that is undefined is taken away. */
export const withChange = (
  rewards: readonly RewardSpec[],
  index: number,
  change: Partial<RewardSpec>,
): readonly RewardSpec[] =>
  rewards.map((reward, i) => {
    if (i !== index) return reward;
    const next = { ...reward, ...change };
    return Object.fromEntries(
      Object.entries(next).filter(([, value]) => value !== undefined),
    ) as unknown as RewardSpec;
  });

/** One parameter of a built-in reward; undefined takes it back to its default. */
export function withParam(
  rewards: readonly RewardSpec[],
  index: number,
  name: string,
  value: unknown,
): readonly RewardSpec[] {
  const { [name]: _before, ...rest } = rewards[index]?.params ?? {};
  return withChange(rewards, index, { params: value === undefined ? rest : { ...rest, [name]: value } });
}

/** Another language; code that nobody has touched becomes the example of that language. */
export function withLanguage(
  rewards: readonly RewardSpec[],
  index: number,
  language: RewardLanguage,
): readonly RewardSpec[] {
  const reward = rewards[index];
  const keep = reward !== undefined && hasOwnCode(reward);
  return withChange(rewards, index, { language, ...(keep ? {} : { code: TEMPLATES[language] }) });
}

export const withoutReward = (rewards: readonly RewardSpec[], index: number): readonly RewardSpec[] =>
  rewards.filter((_, i) => i !== index);

/** How much each weight is of all of them, 0 to 1. */
export function weightShares(rewards: readonly RewardSpec[]): readonly number[] {
  const sizes = rewards.map(({ weight }) => (Number.isFinite(weight) ? Math.abs(weight) : 0));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  return sizes.map((size) => (total > 0 ? size / total : 0));
}
