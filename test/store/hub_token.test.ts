import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { AppError } from "../../src/lib/errors.ts";
import { accessSteps, checkAccess, giveToken, openAccess, useAccess } from "../../src/store/access.ts";
import { useApp } from "../../src/store/app.ts";
import { type Failure, failureOf } from "../../src/store/failure.ts";
import { sendHub, setHub, useHub } from "../../src/store/hub.ts";
import { useHubFacts } from "../../src/store/hub_facts.ts";
import {
  cleanToken,
  forgetToken,
  recallToken,
  takesToken,
  tokenFor,
  tokenProblem,
  useToken,
} from "../../src/store/hub_token.ts";
import { useRuns } from "../../src/store/runs.ts";
import { useSetup } from "../../src/store/setup.ts";
import { reportText } from "../../src/ui/diagnostics/report.ts";
import { type Answering, answerWith } from "./answering.ts";

const HUB = "https://huggingface.co";
const MIRROR = "https://hf-mirror.com";
const SECRET = "hf_aVerySecretToken";

let worker: Answering;
let kept = new Map<string, string>();

beforeEach(async () => {
  kept = new Map();
  vi.stubGlobal("localStorage", {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  });
  worker = answerWith({
    setHub: async () => ({}),
    checkToken: async ({ token }) => {
      if (token === SECRET) return { user: "ada" };
      throw new AppError("access-denied", "The token is not known.", { details: { status: 401 } });
    },
  });
  await setHub(HUB);
  forgetToken(HUB);
});
afterEach(() => {
  worker.close();
  vi.unstubAllGlobals();
});

describe("a pasted token", () => {
  it.each([
    ["hf_abc", "hf_abc"],
    [' "hf_abc" \n', "hf_abc"],
    ["'hf_abc';", "hf_abc"],
    ["HF_TOKEN=hf_abc", "hf_abc"],
    ["export HF_TOKEN='hf_abc'", "hf_abc"],
    ["Bearer hf_abc", "hf_abc"],
  ])("%j is read without what came along", (text, token) => expect(cleanToken(text)).toBe(token));

  it("is refused where it can be none", () => {
    expect(tokenProblem("")).toMatch(/Paste/);
    expect(tokenProblem("hf_a b")).toMatch(/no spaces/);
    expect(tokenProblem("hf_abc")).toBeUndefined();
  });
});

describe("a token that the hub knows", () => {
  it("goes to the hub that it was given for and to no mirror", async () => {
    expect(await giveToken(` "${SECRET}" `, false)).toBe(true);
    expect(useToken.getState()).toEqual({ has: true, user: "ada", remembered: false });
    expect(worker.sent.at(-1)).toEqual({ method: "setHub", params: { endpoint: HUB, token: SECRET } });
    await setHub(MIRROR);
    expect(worker.sent.at(-1)).toEqual({ method: "setHub", params: { endpoint: MIRROR, token: null } });
    expect(useToken.getState().has).toBe(false);
    await setHub(HUB);
    expect(worker.sent.at(-1)).toEqual({ method: "setHub", params: { endpoint: HUB, token: SECRET } });
    expect(takesToken(MIRROR)).toBe(false);
    expect(takesToken("https://huggingface.co.example.org")).toBe(false);
    expect(takesToken("http://localhost:8080")).toBe(true);
  });

  it("stays in memory, and on the device only when that was asked for; one button removes it", async () => {
    await giveToken(SECRET, false);
    expect([...kept.values()].join()).not.toContain(SECRET);
    await giveToken(SECRET, true);
    expect(kept.get("aligntune.token@huggingface.co")).toBe(SECRET);
    expect(useToken.getState().remembered).toBe(true);
    // The next visit.
    recallToken(MIRROR);
    expect(tokenFor(MIRROR)).toBeNull();
    recallToken(HUB);
    expect(tokenFor(HUB)).toBe(SECRET);
    forgetToken(HUB);
    expect(tokenFor(HUB)).toBeNull();
    expect([...kept.values()].join()).not.toContain(SECRET);
    await sendHub();
    expect(worker.sent.at(-1)?.params).toEqual({ endpoint: HUB, token: null });
  });

  it("is in no store and in no report, whatever went wrong with it", async () => {
    worker.answers = {
      ...worker.answers,
      hubModel: async () => {
        throw new AppError("access-denied", "The token does not reach a/b.", { details: { status: 403 } });
      },
    };
    openAccess({ kind: "model", name: "a/b", revision: null }, failureOf(new Error("closed")));
    await giveToken(SECRET, true);
    expect(await checkAccess()).toBe(false);
    expect(tokenFor(HUB)).toBe(SECRET);
    const stores = [useAccess, useApp, useHub, useHubFacts, useRuns, useSetup, useToken];
    const state = JSON.stringify(stores.map((store) => store.getState()));
    expect(useApp.getState().errors.length).toBeGreaterThan(0);
    expect(state).not.toContain(SECRET);
    expect(reportText([["Access token", "yes"]], useApp.getState().errors, null)).not.toContain(SECRET);
  });
});

describe("a token that the hub does not know", () => {
  it("is not held, and the reason is said", async () => {
    expect(await giveToken("hf_old", true)).toBe(false);
    expect(tokenFor(HUB)).toBeNull();
    expect(kept.size).toBe(1);
    expect(useAccess.getState().token).toMatchObject({
      state: "failed",
      why: expect.stringMatching(/does not know this token/),
    });
  });
});

const refused = (details: Record<string, unknown>): Failure => ({
  ...{ code: "access-denied", message: "", stack: "" },
  details,
});
const open = { state: "open" } as const;
const passed = { state: "passed" } as const;

describe("the three steps", () => {
  it.each([
    ["gated, nobody known", { status: 401, gated: true }, open, false, ["todo", "todo", "todo"]],
    ["private, nobody known", { status: 401, gated: false }, open, false, ["unneeded", "todo", "todo"]],
    [
      "a token that is not accepted",
      { status: 401, gated: true, hasToken: true },
      open,
      true,
      ["todo", "failed", "todo"],
    ],
    [
      "an account that is not let in",
      { status: 403, gated: true, hasToken: true },
      open,
      true,
      ["failed", "done", "todo"],
    ],
    [
      "a token without the right",
      { status: 403, gated: false, hasToken: true },
      open,
      true,
      ["unneeded", "failed", "todo"],
    ],
    ["a new token", { status: 401, gated: true }, passed, true, ["todo", "done", "todo"]],
  ] as const)("%s", (_name, details, token, hasToken, steps) => {
    expect(accessSteps({ refusal: refused(details), token, again: open }, hasToken)).toEqual(steps);
  });

  it("are done once the hub lets in", () => {
    const state = { refusal: refused({ status: 403, gated: true }), token: open, again: passed };
    expect(accessSteps(state, true)).toEqual(["done", "done", "done"]);
  });
});
