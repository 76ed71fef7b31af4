import { describe, expect, it } from "vitest";
import { exportYaml } from "../../src/config/export_yaml.ts";
import { parseConfig } from "../../src/config/parse_config.ts";
import { readSettings } from "../../src/config/read_settings.ts";
import { resolve } from "../../src/config/resolve.ts";
import { rewardData } from "../../src/config/reward_data.ts";
import type { RewardSpec } from "../../src/config/rewards.ts";
import {
  hasOwnCode,
  weightShares,
  withBuiltIn,
  withChange,
  withCustom,
  withLanguage,
  withoutReward,
  withParam,
} from "../../src/store/rewards.ts";
import { useSetup } from "../../src/store/setup.ts";
import { issuesOf } from "../../src/ui/rewards/titles.ts";
import { sampleAnswer } from "../../src/ui/rewards/trials.ts";
import { answerWith } from "./answering.ts";

const resolved = (rewards: readonly RewardSpec[]) =>
  resolve({
    override: readSettings({ algorithm: "grpo", model_name: "tiny", dataset_name: "x", rewards }),
  });

describe("the list of rewards", () => {
  it("takes every built-in reward; what it needs is asked for in its own place", () => {
    for (const { id, params } of rewardData()) {
      const { issues } = resolved(withBuiltIn([], id));
      const required = params.filter((param) => param.required).length;
      expect(issuesOf(issues, 0).size, id).toBe(issues.length);
      expect(issues.length > 0, id).toBe(required > 0);
    }
  });

  it.each(["javascript", "typescript", "python"] as const)(
    "begins a reward in %s that can be read",
    (language) => {
      const rewards = withCustom([], language);
      const { config, issues } = resolved(rewards);
      expect(issues).toEqual([]);
      if (config?.algorithm !== "grpo") throw new Error("it is a GRPO run");
      const { values } = parseConfig(exportYaml({ ...config }));
      expect(values["rewards"]).toEqual(rewards);
    },
  );

  it("gives each reward of one's own a name of its own", () => {
    const two = withCustom(withCustom([], "python"), "python");
    expect(two.map(({ name }) => name)).toEqual(["my_reward", "my_reward_2"]);
  });

  it("changes one reward, and takes values and parameters back without a trace", () => {
    const rewards = withBuiltIn(withBuiltIn([], "accuracy"), "length");
    const set = withParam(withChange(rewards, 1, { weight: 0.5, normalize: true }), 1, "max_length", 40);
    expect(set[1]).toEqual({ type: "length", weight: 0.5, normalize: true, params: { max_length: 40 } });
    expect(set[0]).toBe(rewards[0]);
    const back = withParam(withChange(set, 1, { normalize: undefined }), 1, "max_length", undefined);
    expect(back[1]).toEqual({ type: "length", weight: 0.5, params: {} });
    expect(withoutReward(back, 0)).toEqual([back[1]]);
  });

  it("keeps code that a person wrote when the language changes, and only that", () => {
    const fresh = withCustom([], "javascript");
    expect(fresh.map(hasOwnCode)).toEqual([false]);
    expect(withLanguage(fresh, 0, "python")[0]?.code).toContain("def my_reward");
    const own = withChange(fresh, 0, { code: "(text) => text.length" });
    expect(own.map(hasOwnCode)).toEqual([true]);
    expect(withLanguage(own, 0, "typescript")[0]).toMatchObject({
      language: "typescript",
      code: "(text) => text.length",
    });
  });

  it("shares the weights by their size", () => {
    const weights = (...list: readonly number[]) =>
      weightShares(list.map((weight) => ({ type: "accuracy", weight, params: {} })));
    expect(weights(3, -1)).toEqual([0.75, 0.25]);
    expect(weights(0, 0)).toEqual([0, 0]);
    expect(weights(Number.NaN, 1)).toEqual([0, 1]);
  });
});

describe("what is wrong with a reward", () => {
  it("is found by its place in the list and inside it", () => {
    const { issues } = resolved([
      { type: "accuracy", weight: 1, params: {} },
      { type: "regex", weight: 1, params: { pattern: "((" } },
    ]);
    expect(issuesOf(issues, 0).size).toBe(0);
    expect([...issuesOf(issues, 1).keys()]).toEqual(["params.pattern"]);
  });

  it("of the tenth reward is not that of the first", () => {
    const issues = [{ path: "rewards.10.params.pattern", message: "wrong" }];
    expect(issuesOf(issues, 1).size).toBe(0);
    expect(issuesOf(issues, 10).size).toBe(1);
  });
});

describe("an answer of the model to try a reward on", () => {
  it("is that of the revision that is set up", async () => {
    const answers = [{ side: "base", text: "Four" }];
    const worker = answerWith({ chat: async () => ({ answers }) as never });
    useSetup.setState({
      row: { state: "ready", value: { question: [{ role: "user", content: "2+2?" }] } as never },
      resolved: {
        state: "ready",
        value: { values: { model_name: { value: "me/model" }, model_revision: { value: "v1" } } } as never,
      },
    });
    expect(await sampleAnswer(0, null)).toBe("Four");
    expect(worker.sent).toMatchObject([{ params: { model: "me/model", revision: "v1", runId: null } }]);
    worker.close();
  });
});
