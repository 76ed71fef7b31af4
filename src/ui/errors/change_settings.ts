import type { GivenSettings } from "../../protocol/values.ts";
import type { SettingsChange } from "./table.ts";

const numberOf = (values: GivenSettings, key: string): number | null => {
  const value = values[key];
  return typeof value === "number" ? value : null;
};

/** What a fix changes: keys with their new values, none where it can change nothing. */
export function changedSettings(change: SettingsChange | undefined, values: GivenSettings): GivenSettings {
  if (change === "lower-rate") {
    const rate = numberOf(values, "learning_rate");
    return rate === null ? {} : { learning_rate: Number((rate / 10).toPrecision(6)) };
  }
  return {};
}
