import { expect, it } from "vitest";
import { createNodeUserCode } from "../../src/host/node_user_code.ts";
import { shareProcessing } from "../../src/host/shared_user_code.ts";
import type { UserSource } from "../../src/host/user_code.ts";

const source = (code: string, purpose: UserSource["purpose"] = "processing"): UserSource => ({
  ...{ code, language: "javascript", purpose, title: "f" },
});
const COUNT = "let n = 0; const f = () => ({ n: ++n });";

it("loads a processing function once while it is used, and again after it was left alone", async () => {
  const userCode = shareProcessing(createNodeUserCode(), 100);
  const [a, b] = [await userCode.open(source(COUNT)), await userCode.open(source(COUNT))];
  expect(await a.process([{}])).toEqual([{ n: 1 }]);
  expect(await b.process([{}])).toEqual([{ n: 2 }]);
  a.close();
  a.close();
  const c = await userCode.open(source(COUNT));
  expect(await c.process([{}])).toEqual([{ n: 3 }]);
  b.close();
  c.close();
  await expect
    .poll(async () => {
      const d = await userCode.open(source(COUNT));
      const [row] = await d.process([{}]);
      d.close();
      await new Promise((resolve) => setTimeout(resolve, 200));
      return row;
    })
    .toEqual({ n: 1 });
});

it("does not share other code, other purposes, or what could not be loaded", async () => {
  const userCode = shareProcessing(createNodeUserCode(), 0);
  const [a, b] = [await userCode.open(source(COUNT)), await userCode.open(source(`${COUNT} `))];
  expect(await a.process([{}])).toEqual(await b.process([{}]));
  const reward = source("let n = 0; const f = () => ++n;", "reward");
  const rewards = [await userCode.open(reward), await userCode.open(reward)];
  const item = { prompt: "", completion: "", completionIds: [], reference: null, row: {} };
  for (const fn of rewards) expect(await fn.score([item])).toEqual([{ value: 1 }]);
  for (const fn of [a, b, ...rewards]) fn.close();
  await expect(userCode.open(source("const a = 1"))).rejects.toMatchObject({ code: "user-code-invalid" });
  await expect(userCode.open(source("const a = 1"))).rejects.toMatchObject({ code: "user-code-invalid" });
});
