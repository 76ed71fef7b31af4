import { describe, expect, it } from "vitest";
import { metricName } from "../../src/ui/format.ts";

describe("metricName", () => {
  it.each([
    ["loss", "Loss"],
    ["eval_loss", "Held-out loss"],
    ["eval_mean_token_accuracy", "Held-out token accuracy"],
    ["rewards/margins", "Rewards margins"],
    ["some_new_thing", "Some new thing"],
  ])("calls %s %s", (metric, name) => expect(metricName(metric)).toBe(name));
});
