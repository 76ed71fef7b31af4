import type { ImportReview } from "../config/read_settings.ts";
import type { Output } from "./output.ts";

/** Says what of a configuration file was changed and what has no meaning here. */
export function describeReview(review: ImportReview, output: Output): void {
  for (const { path, key, from, to, why } of review.changed) {
    const name = path || key;
    const what = name
      ? `${name}: ${JSON.stringify(from)} read as ${JSON.stringify(to)}`
      : `line changed to ${JSON.stringify(to)}`;
    output.say(`Changed: ${what}. ${why}`);
  }
  for (const { path, why } of review.notUsed) output.say(`Not used: ${path}. ${why}`);
}
