import { describeChange } from "../config/describe_change.ts";
import type { ImportReview } from "../config/read_settings.ts";
import type { Output } from "./output.ts";

/** Says what of a configuration was changed and what has no meaning here. */
export function describeReview(review: Pick<ImportReview, "changed" | "notUsed">, output: Output): void {
  for (const change of review.changed) output.say(`Changed: ${describeChange(change)}`);
  for (const { path, why } of review.notUsed) output.say(`Not used: ${path}. ${why}`);
}
