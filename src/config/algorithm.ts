/** The seven algorithms, in the order in which they are offered. */
export const ALGORITHMS = ["sft", "dpo", "ppo", "grpo", "gspo", "dapo", "dr_grpo"] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

/** GRPO and its relatives: one update, with different ratios, advantages and normalisers. */
export const GROUP_ALGORITHMS = ["grpo", "gspo", "dapo", "dr_grpo"] as const;
export type GroupAlgorithm = (typeof GROUP_ALGORITHMS)[number];

export const ALGORITHM_TITLES: Readonly<Record<Algorithm, string>> = {
  sft: "SFT",
  dpo: "DPO",
  ppo: "PPO",
  grpo: "GRPO",
  gspo: "GSPO",
  dapo: "DAPO",
  dr_grpo: "Dr. GRPO",
};

/** Other names for an algorithm, written without case, spaces, dots, dashes and underscores. */
const OTHER_NAMES: Readonly<Record<string, Algorithm>> = {
  supervised: "sft",
  supervisedfinetuning: "sft",
  finetuning: "sft",
  llmsft: "sft",
  llmdpo: "dpo",
  directpreferenceoptimization: "dpo",
  proximalpolicyoptimization: "ppo",
  grouprelativepolicyoptimization: "grpo",
  groupsequencepolicyoptimization: "gspo",
  doctorgrpo: "dr_grpo",
  grpodoneright: "dr_grpo",
};

const squeeze = (text: string): string => text.toLowerCase().replace(/[\s._-]+/g, "");

/** The algorithm that a spelling means (`Dr. GRPO`, `dr-grpo`, `drgrpo`), or undefined when it means none of ours. */
export function parseAlgorithm(text: string): Algorithm | undefined {
  const name = squeeze(text);
  return ALGORITHMS.find((algorithm) => squeeze(algorithm) === name) ?? OTHER_NAMES[name];
}

export const isGroupAlgorithm = (algorithm: Algorithm): algorithm is GroupAlgorithm =>
  (GROUP_ALGORITHMS as readonly Algorithm[]).includes(algorithm);

/** Algorithms that generate answers and score them, rather than learn from given ones. */
export const usesRewards = (algorithm: Algorithm): algorithm is GroupAlgorithm | "ppo" =>
  algorithm === "ppo" || isGroupAlgorithm(algorithm);
