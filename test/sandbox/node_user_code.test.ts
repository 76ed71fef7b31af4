import { afterEach, describe, expect, it } from "vitest";
import { createNodeUserCode } from "../../src/host/node_user_code.ts";
import type { Language, RewardItem, UserFunction } from "../../src/host/user_code.ts";

const opened: UserFunction[] = [];
afterEach(() => {
  for (const fn of opened.splice(0)) fn.close();
});

async function open(
  code: string,
  language: Language = "javascript",
  options: { name?: string; purpose?: "reward" | "processing" } = {},
): Promise<UserFunction> {
  const source = { code, language, purpose: "reward" as const, title: "my_reward", ...options };
  const fn = await createNodeUserCode().open(source);
  opened.push(fn);
  return fn;
}

function item(completion: string, row: Record<string, unknown> = {}, prompt: unknown = "p"): RewardItem {
  const reference = typeof row["answer"] === "string" ? row["answer"] : null;
  return { prompt, completion, completionIds: [1, 2], reference, row };
}

const score = async (fn: UserFunction, ...items: RewardItem[]) =>
  (await fn.score(items)).map(({ value, error }) => error?.kind ?? value);

describe("JavaScript", () => {
  it.each([
    ["a declaration", "function f(text) { return text.length; }"],
    ["the last of several", "function g() { return -1; }\nconst f = (text) => text.length;"],
    ["an arrow function alone", "// counts\n(text) => text.length"],
    ["a function without a name", "function (text) { return text.length }"],
    ["a default export", "export default (text) => text.length;\nfunction other() { return -1; }"],
    ["an export", "export const f = (text) => text.length;"],
    ["CommonJS", "module.exports = (text) => text.length;"],
    ["an async function", "async function f(text) { await null; return text.length; }"],
    [
      "words that are no names in comments",
      "// function if in question\nfunction f(text) { return text.length }",
    ],
  ])("takes %s", async (_what, code) => {
    const fn = await open(code);
    expect(fn.style).toBe("per-completion");
    expect(await score(fn, item("abc"), item(""))).toEqual([3, 0]);
  });

  it("takes the function of a name", async () => {
    const fn = await open("const a = () => 1; const b = () => 2;", "javascript", { name: "a" });
    expect(await score(fn, item("x"))).toEqual([1]);
  });

  it("gives text, reference, and everything else of the row", async () => {
    const fn = await open(
      "(text, reference, kwargs) => { console.log([text, reference, kwargs]); return 1; }",
    );
    await score(fn, item("5", { answer: "five", level: 2, text: "column" }));
    expect(JSON.parse(fn.logs()[0] ?? "")).toEqual([
      "5",
      "five",
      {
        answer: "five",
        level: 2,
        prompt: "p",
        completion_ids: [1, 2],
        row: { answer: "five", level: 2, text: "column" },
      },
    ]);
  });

  it.each([
    "function f(prompts, completions, completion_ids, kwargs) { return completions.map((c, i) => c.length + kwargs.answer[i].length); }",
    "function f({ completions, answer, ...rest }) { return completions.map((c, i) => c.length + answer[i].length); }",
    "const f = (completions, /* a column */ answer) => completions.map((c, i) => c.length + answer[i].length)",
  ])("calls TRL's form once for the batch: %s", async (code) => {
    const fn = await open(code);
    expect(fn.style).toBe("batch");
    expect(await score(fn, item("ab", { answer: "x" }), item("", { answer: "yz" }))).toEqual([3, 2]);
  });

  it("gives TRL's form the answer to a conversation as one, and the trainer's state", async () => {
    const fn = await open(
      "({ completions, trainer_state, log_metric }) => { log_metric('n', 2); return completions.map(([m]) => m.content.length + trainer_state.global_step); }",
    );
    const items = [item("abc", {}, [{ role: "user", content: "q" }])];
    const results = await fn.score(items, undefined, { global_step: 7, max_steps: 10, epoch: 0.7 });
    expect(results).toEqual([{ value: 10 }]);
    expect(fn.logs()).toEqual(["n = 2"]);
  });

  it("takes what counts as a number, and says what does not", async () => {
    const values = ["true", "false", "null", "undefined", "2", "NaN", "1/0", "'1'", "[1]", "3n"];
    const fn = await open(`(text) => [${values.join(", ")}][Number(text)]`);
    expect(await score(fn, ...values.map((_, i) => item(String(i))))).toEqual([
      1,
      0,
      null,
      null,
      2,
      ...Array<string>(4).fill("not-a-number"),
      3,
    ]);
    const [result] = await fn.score([item("7")]);
    expect(result?.error?.message).toBe('returned the text "1" instead of a finite number');
  });

  it("refuses a list of another length for all", async () => {
    const fn = await open("(completions) => [1]");
    expect(await score(fn, item("a"), item("b"))).toEqual(["wrong-shape", "wrong-shape"]);
  });

  it("names the line of a throw, and scores the others", async () => {
    const fn = await open(
      "\n\nfunction f(text) {\n  const x = undefined;\n  if (text === 'bad') x.y;\n  return 1;\n}",
    );
    const [first, second] = await fn.score([item("bad"), item("good")]);
    expect(first).toMatchObject({ value: null, error: { kind: "threw", line: 5, item: 0 } });
    expect(first?.error?.message).toMatch(/^TypeError: /);
    expect(second).toEqual({ value: 1 });
  });

  it("kills a loop, and goes on with the next completion", async () => {
    const fn = await open("(text) => { while (text === 'loop'); return 1; }");
    const limits = { perCall: 300, perBatch: 10_000 };
    const results = await fn.score([item("a"), item("loop"), item("b")], limits);
    expect(results.map(({ value }) => value)).toEqual([1, null, 1]);
    expect(results[1]?.error).toEqual({
      kind: "too-slow",
      message: "ran longer than 0.3 s and was stopped",
      item: 1,
    });
    expect(await score(fn, item("c"))).toEqual([1]);
  });

  it("ends a batch that takes too long as a whole, and keeps what was done", async () => {
    const fn = await open("async (text) => { if (text !== 'a') await new Promise(() => {}); return 1; }");
    const limits = { perCall: 10_000, perBatch: 300 };
    const results = await fn.score([item("a"), item("wait"), item("b")], limits);
    expect(results.map(({ value, error }) => error?.kind ?? value)).toEqual([1, "too-slow", "too-slow"]);
  });

  it("survives the end of its process", async () => {
    const fn = await open("(text) => { if (text === 'exit') process.exit(3); return 1; }");
    expect(await score(fn, item("a"), item("exit"), item("b"))).toEqual([1, "crashed", 1]);
  });

  it("goes on after Ctrl-C, which ends a run only when its step is done", async () => {
    const fn = await open(
      "async () => { process.kill(process.pid, 'SIGINT'); await new Promise((done) => setTimeout(done, 50)); return 1; }",
    );
    expect(await score(fn, item("a"))).toEqual([1]);
  });

  it.each([
    ["a syntax error", "function f() {\n  return 1;\n  let b = ;\n}", 3],
    ["a throw outside of the function", "const a = 1;\nnull.x;\nfunction f() {}", 2],
    ["an import", "\nimport fs from 'node:fs';\nexport const f = () => 1;", 2],
    ["no function", "const a = 1;", undefined],
  ])("refuses %s", async (_what, code, line) => {
    await expect(open(code)).rejects.toMatchObject({
      code: "user-code-invalid",
      details: line === undefined ? { title: "my_reward" } : { line },
    });
  });

  it("does not see the variables of its parent", async () => {
    process.env["SECRET_OF_THE_TEST"] = "x";
    const fn = await open("() => process.env.SECRET_OF_THE_TEST === undefined");
    expect(await score(fn, item("a"))).toEqual([1]);
  });
});

describe("TypeScript", () => {
  it("loses its types and keeps its lines", async () => {
    const code =
      "interface Row {\n  readonly answer: string;\n}\n\nexport function f(text: string, reference: string | null = null): number {\n  if (text === '') throw new Error('empty');\n  return (text as string).length;\n}";
    const fn = await open(code, "typescript");
    const [first, second] = await fn.score([item("abc"), item("")]);
    expect(first).toEqual({ value: 3 });
    expect(second?.error).toMatchObject({ kind: "threw", message: "Error: empty", line: 6 });
  });

  it("names the line that cannot be read", async () => {
    await expect(open("const a: number = 1;\nfunction f(: {}\n", "typescript")).rejects.toMatchObject({
      code: "user-code-invalid",
      details: { line: 2 },
    });
  });
});

describe("processing rows", () => {
  it("lays what is returned over the row", async () => {
    const fn = await open("(row, { suffix }) => ({ prompt: row.question + suffix, question: 'seen' })");
    const rows = [{ question: "a", n: 1 }, { question: "b" }];
    expect(await fn.process(rows, { kwargs: { suffix: "?" } })).toEqual([
      { question: "seen", n: 1, prompt: "a?" },
      { question: "seen", prompt: "b?" },
    ]);
  });

  it("passes columns of lists when batched", async () => {
    const fn = await open("(rows) => ({ n: rows.a.map((a) => (a ?? 0) + 1) })");
    expect(await fn.process([{ a: 1 }, { b: 2 }], { batched: true })).toEqual([
      { a: 1, n: 2 },
      { b: 2, n: 1 },
    ]);
  });

  it.each([
    ["a throw", "(row) => {\n  if (row.n === 1001) throw new Error('no');\n  return {};\n}", "threw", 2],
    ["nothing", "(row) => { if (row.n !== 1001) return {}; }", "wrong-shape", undefined],
    ["what is no data", "(row) => ({ n: row.n === 1001 ? 1n : 1 })", "threw", undefined],
  ])("names row and line of %s", async (_what, code, kind, line) => {
    const fn = await open(code);
    const rows = Array.from({ length: 1200 }, (_, n) => ({ n }));
    await expect(fn.process(rows)).rejects.toMatchObject({
      code: "user-code-failed",
      details: { row: 1001, kind, ...(line !== undefined && { line }) },
    });
  });

  it("refuses columns of another length", async () => {
    const fn = await open("() => ({ n: [1] })");
    await expect(fn.process([{}, {}], { batched: true })).rejects.toMatchObject({
      details: { kind: "wrong-shape" },
    });
  });
});
