import type { Algorithm as AlgorithmName } from "../config/algorithm.ts";
import type { RunConfig } from "../config/fields.ts";
import type { Algorithm } from "./algorithm.ts";
import { sft } from "./sft.ts";

/** Every algorithm that trains, in the order of the menu. */
const ALGORITHMS: Partial<Readonly<Record<AlgorithmName, Algorithm<never>>>> = {
  sft,
};

/** The algorithm that a configuration is of. */
export function algorithmOf(config: RunConfig): Algorithm {
  const algorithm = ALGORITHMS[config.algorithm];
  if (!algorithm) throw new Error(`no algorithm ${config.algorithm}`);
  return algorithm as unknown as Algorithm;
}
