import type { FieldData } from "../config/fields.ts";
import type { RewardData } from "../config/reward_data.ts";
import type { GivenSettings } from "./values.ts";

/** What can be trained, how, and on what: the page draws its menus and forms from it. */

export interface Catalog {
  readonly algorithms: readonly AlgorithmInfo[];
  readonly models: readonly ModelInfo[];
  readonly datasets: readonly DatasetInfo[];
  readonly recipes: readonly RecipeInfo[];
  /** The built-in rewards with their parameters, and what every reward has beside them. */
  readonly rewards: readonly RewardData[];
  readonly rewardSettings: readonly FieldData[];
}

/** What the rows of a method hold: good answers, two answers of which one is better, or prompts to be answered. */
export type DataKind = "examples" | "pairs" | "prompts";

export interface AlgorithmInfo {
  readonly id: string;
  readonly label: string;
  /** One line for people. */
  readonly summary: string;
  readonly paper: string;
  readonly data: DataKind;
  /** What the data must have, in words. */
  readonly needs: string;
  /** The charts shown large. The first metric of the first is the one that says how a run goes. */
  readonly hero: readonly HeroChart[];
  /** The sentence under them. */
  readonly coach: string;
  readonly fields: readonly FieldData[];
}

export interface HeroChart {
  readonly title: string;
  readonly unit?: string;
  readonly metrics: readonly HeroMetric[];
}

export interface HeroMetric {
  readonly metric: string;
  readonly title: string;
  readonly better: "lower" | "higher" | "neither";
  /** The metric that says how far single values lie from this mean: drawn as a band round it. */
  readonly spread?: string;
}

export interface ModelInfo {
  readonly id: string;
  readonly label: string;
  readonly summary: string;
  readonly parameters: number;
  readonly bytes: number;
  readonly licence: string;
}

export interface DatasetInfo {
  readonly id: string;
  readonly label: string;
  readonly summary: string;
  readonly data: DataKind;
  readonly rows: number;
  readonly bytes: number;
}

export interface RecipeInfo {
  readonly id: string;
  readonly title: string;
  readonly summary: string;
  readonly algorithm: string;
  readonly settings: GivenSettings;
}
