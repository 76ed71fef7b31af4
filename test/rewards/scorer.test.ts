import { describe, expect, it } from "vitest";
import type { RewardSpec } from "../../src/config/rewards.ts";
import type { RewardItem, Scored, UserCode, UserSource } from "../../src/host/user_code.ts";
import { AppError } from "../../src/lib/errors.ts";
import { missingNeeds } from "../../src/rewards/missing_needs.ts";
import type { ScoredItem } from "../../src/rewards/reward.ts";
import { createScorer, recordScores, type ScorerTools } from "../../src/rewards/scorer.ts";
import { item } from "./item.ts";

const spec = (type: string, more: Partial<RewardSpec> = {}): RewardSpec => ({
  type,
  weight: 1,
  params: {},
  ...more,
});
const custom = (code: RewardSpec["code"], more: Partial<RewardSpec> = {}) =>
  spec("custom", { code, ...more });

function toolsWith(more: Partial<ScorerTools> = {}): ScorerTools {
  let time = 0;
  return {
    userCode: undefined,
    readFile: (path) => Promise.reject(new AppError("file-missing", `no ${path}`)),
    now: () => time++,
    maxCompletionLength: 10,
    ...more,
  };
}

const score = async (rewards: readonly RewardSpec[], items: readonly ScoredItem[]) =>
  (await createScorer(rewards, toolsWith())).score(items);

/** A place for code that gives prepared answers and remembers what it was asked. */
function place(answer: (items: readonly RewardItem[]) => Promise<readonly Scored[]>, fails = false) {
  const sources: UserSource[] = [];
  const asked: (readonly RewardItem[])[] = [];
  let closed = 0;
  const userCode: UserCode = {
    open: (source) => {
      sources.push(source);
      if (fails && sources.length === 2) return Promise.reject(new AppError("config-invalid", "line 1"));
      return Promise.resolve({
        style: "per-completion" as const,
        repaired: ["Line 2 was moved."],
        score: (items) => {
          asked.push(items);
          return answer(items);
        },
        process: () => Promise.resolve([]),
        logs: () => ["hello"],
        close: () => {
          closed++;
        },
      });
    },
  };
  return { userCode, sources, asked, closed: () => closed };
}

const rows = [item("5", { reference: "5" }), item("five", { reference: "5" }), item("5 5")];

describe("several rewards", () => {
  it("are summed by weight; what does not apply adds nothing", async () => {
    const rewards = [
      spec("accuracy", { weight: 2 }),
      spec("length", { weight: 0.5, params: { min_length: 1, max_length: 1 } }),
    ];
    const result = await score(rewards, rows);
    expect(result.rewards.map(({ values }) => values)).toEqual([
      [1, 0, null],
      [1, 1, 0],
    ]);
    expect(result.total).toEqual([2.5, 0.5, 0]);
    expect(result.failureShare).toBe(0);
    expect(result.rewards.map(({ milliseconds }) => milliseconds)).toEqual([1, 1]);
  });

  it("say nothing where none applies", async () => {
    const result = await score([spec("accuracy"), spec("bleu")], rows);
    expect(result.total[2]).toBeNull();
    expect(recordScores(result, 2)).toEqual({ rewards: { accuracy: null, bleu: null }, reward: null });
  });

  it("have names of their own", async () => {
    const scorer = await createScorer(
      [spec("accuracy"), spec("accuracy"), custom(() => 1, { name: "mine" })],
      toolsWith(),
    );
    expect(scorer.names).toEqual(["accuracy", "accuracy_2", "mine"]);
    const result = await scorer.score(rows);
    expect(result.rewards.map(({ name }) => name)).toEqual(scorer.names);
    expect(recordScores(result, 0)).toEqual({ rewards: { accuracy: 1, accuracy_2: 1, mine: 1 }, reward: 3 });
  });

  it("of no completions", async () => {
    const result = await score([spec("accuracy")], []);
    expect(result).toMatchObject({ total: [], failureShare: 0 });
  });
});

describe("normalize and clip", () => {
  const of = (more: Partial<RewardSpec>) =>
    score([custom((text: string) => (text === "" ? null : Number(text)), more)], four);
  const four = ["1", "2", "", "6"].map((text) => item(text));
  const std = Math.sqrt(7);

  it("normalize over the rollout, nulls left out", async () => {
    const { rewards, total } = await of({ normalize: true, weight: 2 });
    // 1, 2 and 6: mean 3, squares 4 + 1 + 9 over 2.
    const expected = [-2 / (std + 1e-4), -1 / (std + 1e-4), null, 3 / (std + 1e-4)];
    expect(rewards[0]?.values).toEqual([1, 2, null, 6]);
    expect(rewards[0]?.adjusted).toEqual(expected);
    expect(total).toEqual(expected.map((value) => value && 2 * value));
  });
  it("clip to two bounds, one of which may be open", async () => {
    expect((await of({ clip: [2, 5] })).total).toEqual([2, 2, null, 5]);
    expect((await of({ clip: [null, 5] })).total).toEqual([1, 2, null, 5]);
    expect((await of({ clip: [2, null] })).rewards[0]?.values).toEqual([1, 2, null, 6]);
  });
  it("clip comes after normalize", async () => {
    const { total } = await of({ normalize: true, clip: [-0.5, 0.5] });
    expect(total).toEqual([-0.5, -1 / (std + 1e-4), null, 0.5]);
  });
  it("equal values are 0, however they are rounded", async () => {
    const tenths = Array.from({ length: 3 }, () => item("0.1"));
    const { total } = await score([custom((text: string) => Number(text), { normalize: true })], tenths);
    expect(total).toEqual([0, 0, 0]);
    expect((await score([custom(() => 7, { normalize: true })], [item("")])).total).toEqual([0]);
  });
});

function declared(text: string, _reference: string, { level = 0 }: { level?: number } = {}): number {
  return text === "yes" ? level - 1 : 0;
}

describe("functions of a program", () => {
  const [first] = rows;
  const asked = item("yes", {
    reference: "r",
    prompt: [{ role: "user", content: "hi" }],
    row: { level: 3 },
    completionIds: [7, 8],
  });
  const one = async (fn: (...values: never[]) => unknown, given = asked, more: Partial<RewardSpec> = {}) =>
    (await score([custom(fn, more)], [given])).rewards[0];

  it("are given text, reference, and the rest by name", async () => {
    let seen: unknown[] = [];
    await one((...values: unknown[]) => {
      seen = values;
      return 1;
    });
    const { prompt, row } = asked;
    expect(seen).toEqual(["yes", "r", { prompt, row, level: 3, completion_ids: [7, 8] }]);
  });
  it.each<[string, (...values: never[]) => unknown]>([
    [
      "text and reference",
      (text: string, reference: string) => (text === "yes" && reference === "r" ? 2 : 0),
    ],
    [
      "a pattern",
      ({ completion, reference, level }: Record<string, unknown>) =>
        completion === "yes" && reference === "r" ? Number(level) - 1 : 0,
    ],
    ["async", async (text: string) => Promise.resolve(text === "yes" ? 2 : 0)],
    ["a declared function", declared],
    [
      "batch, by name",
      (completions: { content: string }[][], level: number[]) =>
        completions.map((list, i) => (list[0]?.content === "yes" ? (level[i] ?? 0) - 1 : 0)),
    ],
    [
      "batch, all of it",
      (prompts: unknown[], kwargs: { completion_ids: number[][] }) =>
        prompts.map((_, i) => kwargs.completion_ids[i]?.length),
    ],
    [
      "batch, a pattern",
      ({ completions, completion_ids: ids }: { completions: unknown[]; completion_ids: number[][] }) =>
        completions.map((_, i) => ids[i]?.length),
    ],
    ["a bound function", ((text: string) => (text === "yes" ? 2 : 0)).bind(null)],
  ])("%s", async (_name, fn) => {
    expect((await one(fn))?.values).toEqual([2]);
  });
  it("plain texts stay texts in a batch", async () => {
    expect(
      (await one((completions: string[]) => completions.map((text) => text.length), first))?.values,
    ).toEqual([1]);
  });
  it("parameters come by name, columns first", async () => {
    const fn = (_text: string, _reference: string, { level, limit }: Record<string, number>) =>
      Number(level) * 10 + Number(limit);
    expect((await one(fn, asked, { params: { limit: 4, level: 9 } }))?.values).toEqual([34]);
  });
  it.each<[string, (...values: never[]) => unknown, number | null]>([
    ["true", () => true, 1],
    ["null", () => null, null],
    ["undefined", () => undefined, null],
    ["a batch with a null", (completions: unknown[]) => completions.map(() => null), null],
  ])("may return %s", async (_name, fn, expected) => {
    expect(await one(fn)).toMatchObject({ values: [expected], failures: 0, errors: [undefined] });
  });
  it.each<[string, (...values: never[]) => unknown, string, RegExp]>([
    ["NaN", () => Number.NaN, "not-a-number", /NaN instead of a finite number/],
    ["infinity", () => Number.POSITIVE_INFINITY, "not-a-number", /Infinity/],
    ["a text", () => "1", "not-a-number", /the text "1"/],
    ["an object", () => ({}), "not-a-number", /an object/],
    ["a list for one", () => [1], "not-a-number", /a list of 1/],
    [
      "a number for a batch",
      (completions: unknown[]) => completions.length,
      "wrong-shape",
      /returned 1 instead/,
    ],
    ["too long a list", (completions: unknown[]) => [...completions, 1], "wrong-shape", /a list of 2/],
    ["a bad value in a list", (completions: unknown[]) => completions.map(() => "x"), "not-a-number", /"x"/],
    [
      "a function that throws",
      () => {
        throw new TypeError("x is undefined");
      },
      "threw",
      /^TypeError: x is undefined$/,
    ],
    ["a promise that fails", () => Promise.reject(new Error("later")), "threw", /later/],
    [
      "a batch that throws",
      (completions: unknown[]) => {
        throw new RangeError(String(completions.length));
      },
      "threw",
      /RangeError: 1/,
    ],
    [
      "anything thrown",
      () => {
        throw "oops" as unknown as Error;
      },
      "threw",
      /oops/,
    ],
  ])("fail, and only there: %s", async (_name, fn, kind, message) => {
    const found = await one(fn);
    expect(found).toMatchObject({ values: [null], failures: 1, errors: [{ kind }] });
    expect(found?.errors[0]?.message).toMatch(message);
  });
  it("one completion's failure leaves the others, and is counted", async () => {
    const fn = (text: string) => {
      if (text === "five") throw new Error("no");
      return 1;
    };
    const result = await score(
      [custom(fn, { name: "mine" }), spec("length", { params: { min_length: 1 } })],
      rows,
    );
    expect(result.rewards[0]?.values).toEqual([1, null, 1]);
    expect(result.rewards[0]?.failures).toBe(1);
    expect(result.failureShare).toBeCloseTo(1 / 3, 12);
    expect(result.total).toEqual([2, 1, 2]);
    expect(recordScores(result, 1)).toEqual({
      rewards: { mine: null, length: 1 },
      reward: 1,
      errors: { mine: "Error: no" },
    });
  });
});

describe("source text and files", () => {
  it("go to the place for code, with language, function and title", async () => {
    const { userCode, sources } = place(() => Promise.resolve([]));
    const read: string[] = [];
    await createScorer(
      [
        custom("def f(text):\n  return 1", { name: "mine" }),
        spec("custom", { file: "a/r.ts", function: "short" }),
        custom("x => 1", { language: "typescript", function: "x" }),
      ],
      toolsWith({ userCode, readFile: (path) => Promise.resolve(`// ${read.push(path)} ${path}`) }),
    );
    expect(sources).toEqual([
      {
        code: "def f(text):\n  return 1",
        language: "python",
        name: undefined,
        purpose: "reward",
        title: "mine",
      },
      {
        code: "// 1 a/r.ts",
        language: "typescript",
        name: "short",
        purpose: "reward",
        title: "a/r.ts#short",
      },
      { code: "x => 1", language: "typescript", name: "x", purpose: "reward", title: "x" },
    ]);
    expect(read).toEqual(["a/r.ts"]);
  });
  it("values and errors come through, what is no number does not", async () => {
    const error = { kind: "too-slow", message: "ran longer than 1 s", line: 4 } as const;
    const answers: Scored[] = [{ value: 0.5 }, { value: null, error }, { value: Number.NaN }];
    const { userCode, asked } = place(() => Promise.resolve(answers));
    const scorer = await createScorer([custom("x => 1", { params: { limit: 2 } })], toolsWith({ userCode }));
    const result = await scorer.score(rows);
    expect(result.rewards[0]).toMatchObject({ values: [0.5, null, null], failures: 2 });
    expect(recordScores(result, 1).errors).toEqual({ custom: "ran longer than 1 s (line 4)" });
    expect(asked[0]?.[0]).toEqual({
      prompt: "How many?",
      completion: "5",
      completionIds: [],
      reference: "5",
      row: { limit: 2 },
    });
    expect(scorer.logs()).toEqual({ custom: ["hello"] });
  });
  it.each<[string, () => Promise<readonly Scored[]>, string]>([
    ["the wrong number of results", () => Promise.resolve([{ value: 1 }]), "wrong-shape"],
    ["a place that breaks", () => Promise.reject(new Error("gone")), "crashed"],
  ])("%s is a failure of all", async (_name, answer, kind) => {
    const scorer = await createScorer([custom("x => 1")], toolsWith({ userCode: place(answer).userCode }));
    const result = await scorer.score(rows);
    expect(result.failureShare).toBe(1);
    expect(result.rewards[0]?.errors.map((error) => error?.kind)).toEqual([kind, kind, kind]);
    expect(result.total).toEqual([null, null, null]);
  });
  it("stopping a run is no failure of a reward", async () => {
    const { userCode } = place(() => Promise.reject(new AppError("cancelled", "stopped")));
    const scorer = await createScorer([custom("x => 1")], toolsWith({ userCode }));
    await expect(scorer.score(rows)).rejects.toMatchObject({ code: "cancelled" });
  });
  it("what was opened is closed, also when a later one does not open", async () => {
    const good = place(() => Promise.resolve([]));
    (
      await createScorer([custom("x => 1"), custom("y => 1")], toolsWith({ userCode: good.userCode }))
    ).close();
    expect(good.closed()).toBe(2);
    const bad = place(() => Promise.resolve([]), true);
    const opening = createScorer([custom("x => 1"), custom("y => 1")], toolsWith({ userCode: bad.userCode }));
    await expect(opening).rejects.toMatchObject({ message: "line 1" });
    expect(bad.closed()).toBe(1);
  });
  it.each<[string, readonly RewardSpec[], RegExp]>([
    ["an unknown type", [spec("acuracy")], /Did you mean accuracy/],
    ["an unknown parameter", [spec("length", { params: { max: 3 } })], /no parameter max/],
    ["a language that cannot be told", [custom("1 + 1")], /language/],
    ["nowhere to run it", [custom("x => 1")], /cannot be run here/],
    ["no code", [spec("custom")], /has no code/],
  ])("%s is refused", async (_name, rewards, message) => {
    await expect(createScorer(rewards, toolsWith())).rejects.toMatchObject({
      code: "config-invalid",
      message: expect.stringMatching(message),
    });
  });
  it("a file that is not there is the reader's error", async () => {
    const { userCode } = place(() => Promise.resolve([]));
    const opening = createScorer([spec("custom", { file: "r.py" })], toolsWith({ userCode }));
    await expect(opening).rejects.toMatchObject({ code: "file-missing", message: "no r.py" });
  });
});

describe("rewards that all need a reference", () => {
  it.each<[readonly RewardSpec[], boolean, RegExp | undefined]>([
    [[spec("accuracy")], false, /^The reward accuracy compares .*\(column_mapping/],
    [[spec("accuracy"), spec("bleu")], false, /^All rewards \(accuracy, bleu\) compare/],
    [[spec("accuracy"), spec("format", { weight: 0 })], false, /accuracy/],
    [[spec("accuracy")], true, undefined],
    [[spec("accuracy"), spec("format")], false, undefined],
    [[spec("contains", { params: { values: ["a"] } })], false, undefined],
    [[custom(() => 1)], false, undefined],
  ])("%#", (rewards, hasReference, expected) => {
    const sentence = missingNeeds(rewards, { hasReference });
    if (expected === undefined) expect(sentence).toBeUndefined();
    else expect(sentence).toMatch(expected);
  });
});
