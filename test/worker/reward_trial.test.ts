import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { createNodeHost } from "../../src/host/node.ts";
import { RewardTrials } from "../../src/worker/reward_trial.ts";
import { requireConfig } from "../../src/worker/settings.ts";

const host = createNodeHost({
  publicDir: fileURLToPath(new URL("../../public", import.meta.url)),
  runDir: () => "unused",
});
const trials = new RewardTrials(host);
afterAll(() => trials.close());

async function score(reward: object, completion: string, row = 0) {
  const given = {
    ...{ algorithm: "grpo", model_name: "aligntune-tiny", dataset_name: "arithmetic" },
    ...{ max_seq_length: 64, max_completion_length: 8, rewards: [reward] },
  };
  const { config } = await requireConfig({ given, recipe: null });
  return trials.run(config, { reward: 0, row, completion });
}

const own = (code: string) => ({ type: "custom", name: "mine", language: "javascript", code });

describe("a reward on one answer", () => {
  it("compares with the reference of the row", async () => {
    expect(await score({ type: "accuracy" }, "#### 176")).toMatchObject({ value: 1, error: null });
    expect(await score({ type: "accuracy" }, "#### 177")).toMatchObject({ value: 0, error: null });
    expect(await score({ type: "accuracy" }, "#### 177", 1)).toMatchObject({ value: 0 });
    expect(await score({ type: "accuracy" }, "#### 110", 1)).toMatchObject({ value: 1 });
  });

  it("is a person's own code, with what it printed", async () => {
    const code =
      "function mine(text, reference) {\n  console.log('sees', reference);\n  return text.length / 10;\n}";
    const result = await score(own(code), "12345");
    expect(result).toMatchObject({ value: 0.5, error: null });
    expect(result.logs.join("\n")).toContain("sees 176");
  });

  it("says where the code failed, and scores again once it is mended", async () => {
    const broken = "function mine(text) {\n  const answer = undefined;\n  return answer.length;\n}";
    const result = await score(own(broken), "x");
    expect(result.value).toBeNull();
    expect(result.error?.line).toBe(3);
    expect(result.error?.message).toContain("TypeError");
    expect(await score(own(broken.replace("undefined", "text")), "x")).toMatchObject({ value: 1 });
  });

  it("refuses code that does not parse, with its line", async () => {
    await expect(score(own("function mine(text) {\n  return ((;\n}"), "x")).rejects.toMatchObject({
      code: "user-code-invalid",
      details: { line: 2 },
    });
  });

  it("is refused for a row that is not there", async () => {
    await expect(score({ type: "accuracy" }, "x", 99_999)).rejects.toMatchObject({ code: "dataset-invalid" });
  });
});
