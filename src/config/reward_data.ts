import { describeField, type FieldData } from "./fields.ts";
import {
  REWARD_IDS,
  REWARD_SETTINGS,
  type RewardId,
  type RewardNeed,
  rewardEntry,
} from "./reward_catalog.ts";

/** A built-in reward as plain data, for the page: it survives structured clone. */
export interface RewardData {
  readonly id: RewardId;
  readonly label: string;
  readonly help: string;
  readonly needs: readonly RewardNeed[];
  readonly params: readonly FieldData[];
}

/** The built-in rewards with the forms of their parameters, in the order of the list. */
export const rewardData = (): readonly RewardData[] =>
  REWARD_IDS.map((id) => {
    const { label, help, needs, params } = rewardEntry(id);
    const rows = Object.entries(params).map(([key, field]) => describeField(key, field, field.default));
    return { id, label, help, needs: [...needs], params: rows };
  });

/** What every reward has besides its own parameters: weight, normalize, clip. */
export const rewardSettingsData = (): readonly FieldData[] =>
  Object.entries(REWARD_SETTINGS).map(([key, field]) => describeField(key, field, field.default));
