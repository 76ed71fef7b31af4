import { describe, expect, it } from "vitest";
import { metricName } from "../../src/ui/format.ts";

describe("metricName", () => {
  it.each([
    ["loss", "Loss"],
    ["eval_loss", "Held-out loss"],
    ["eval_mean_token_accuracy", "Held-out token accuracy"],
    ["rewards/margins", "Margin"],
    ["eval_rewards/margins", "Held-out margin"],
    ["rewards/accuracy/mean", "Rewards accuracy mean"],
    ["some_new_thing", "Some new thing"],
  ])("calls %s %s", (metric, name) => expect(metricName(metric)).toBe(name));
});
