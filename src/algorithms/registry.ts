import type { Algorithm as AlgorithmName } from "../config/algorithm.ts";
import type { RunConfig } from "../config/fields.ts";
import type { Algorithm } from "./algorithm.ts";
import { dpo } from "./dpo.ts";
import { grpo } from "./grpo.ts";
import { ppo } from "./ppo.ts";
import { sft } from "./sft.ts";

/** Every algorithm, in the order of the menu. GSPO, DAPO and Dr. GRPO are GRPO with other settings: see config/fields/group.ts. */
const ALGORITHMS: Readonly<Record<AlgorithmName, Algorithm<never>>> = {
  sft,
  dpo,
  ppo,
  grpo,
  gspo: grpo,
  dapo: grpo,
  dr_grpo: grpo,
};

/** The algorithm that a configuration is of. */
export function algorithmOf(config: RunConfig): Algorithm {
  return ALGORITHMS[config.algorithm] as unknown as Algorithm;
}
