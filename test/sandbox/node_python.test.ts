import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { afterAll, describe, expect, it } from "vitest";
import packageJson from "../../package.json" with { type: "json" };
import { createNodeUserCode } from "../../src/host/node_user_code.ts";
import type { RewardItem, UserFunction } from "../../src/host/user_code.ts";
import { PYODIDE_LOCK, PYODIDE_VERSION } from "../../src/sandbox/python.ts";

/** Python takes seconds to start, so functions share what can be shared. */
const START = 60_000;
const opened: UserFunction[] = [];
afterAll(() => {
  for (const fn of opened) fn.close();
});

async function open(code: string, name?: string): Promise<UserFunction> {
  const fn = await createNodeUserCode().open({
    ...{ code, name, language: "python", purpose: "reward", title: "rewards.py" },
  });
  opened.push(fn);
  return fn;
}

function item(completion: string, row: Record<string, unknown> = {}, prompt: unknown = "p"): RewardItem {
  const reference = typeof row["answer"] === "string" ? row["answer"] : null;
  return { prompt, completion, completionIds: [1, 2], reference, row };
}

/** Word for word from AlignTune's documentation. */
const MATH_REWARD = `
def my_math_reward(text, reference=None, **kwargs):
 """
 Custom reward function for math problems.
 Returns 1.0 if the answer contains numbers, 0.0 otherwise.
 """
 has_numbers = any(char.isdigit() for char in text)
 return 1.0 if has_numbers else 0.0
`;

/** From there too, as its page has it: without the indentation of the line that the condition is for. */
const ACCURACY_REWARD = `
def accuracy_reward(text, reference=None, **kwargs):
 """Check if output matches reference"""
 if reference and text.strip() == reference.strip():
 return 1.0
 return 0.0
`;

describe("Python", { timeout: START }, () => {
  it("runs AlignTune's own examples", async () => {
    const fn = await open(MATH_REWARD + ACCURACY_REWARD, "my_math_reward");
    expect(fn.style).toBe("per-completion");
    expect(await fn.score([item("it is 4"), item("four")])).toEqual([{ value: 1 }, { value: 0 }]);
    expect(fn.repaired).toEqual([
      'Line 13, "return 1.0", was moved into the block that the line before it opens.',
    ]);
    const accuracy = await open(MATH_REWARD + ACCURACY_REWARD);
    const items = [item(" 4 ", { answer: "4" }), item("5", { answer: "4" }), item("4")];
    expect((await accuracy.score(items)).map(({ value }) => value)).toEqual([1, 0, 0]);
  });

  it("runs a function in TRL's form, with columns, state and callbacks by name", async () => {
    const fn = await open(`
def reward_len(prompts, completions, completion_ids, level, trainer_state, log_metric, **kwargs):
    log_metric("levels", sum(level))
    assert set(kwargs) == {"answer", "log_extra"}, kwargs
    assert kwargs["answer"] == ["x", None]
    return [len(c[0]["content"]) + trainer_state.global_step if p != "skip" else None for p, c in zip(prompts, completions)]
`);
    expect(fn.style).toBe("batch");
    const question = [{ role: "user", content: "q" }];
    const items = [item("abc", { level: 1, answer: "x" }, question), item("a", { level: 2 }, question)];
    const state = { global_step: 10, max_steps: 20, epoch: 0.5 };
    expect(await fn.score(items, undefined, state)).toEqual([{ value: 13 }, { value: 11 }]);
    expect(fn.logs()).toEqual(["levels = 3"]);
  });

  it("gives errors their line, takes what counts as a number, kills a loop, and goes on", async () => {
    const fn = await open(`import asyncio

async def f(completion, ref, level=0):
    await asyncio.sleep(0)
    values = {"true": True, "none": None, "int": 2, "nan": float("nan"), "text": "1", "ref": len(ref or ""), "level": level}
    if completion == "loop":
        while True: pass
    return values[completion]
`);
    const limits = { perCall: 2_000, perBatch: 10_000 };
    const items = ["true", "none", "int", "nan", "text", "missing", "loop"].map((text) => item(text));
    const rest = [item("ref", { answer: "four" }), item("level", { level: 3 })];
    const results = await fn.score([...items, ...rest], limits);
    expect(results.map(({ value, error }) => error?.kind ?? value)).toEqual([
      ...[1, null, 2, "not-a-number", "not-a-number", "threw", "too-slow", 4, 3],
    ]);
    expect(results[5]?.error).toMatchObject({ line: 8, message: "KeyError: 'missing'" });
    expect(results[6]?.error?.message).toBe("ran longer than 2 s and was stopped");
  });

  it("refuses what cannot be loaded, with its line", async () => {
    await expect(open("def f(x):\n  return (\n")).rejects.toMatchObject({
      code: "user-code-invalid",
      details: { line: 2 },
    });
    await expect(open("import math\nimport numpy\ndef f(x): return 1")).rejects.toMatchObject({
      message: expect.stringMatching(/^rewards\.py, line 2: ModuleNotFoundError: .*standard library/),
    });
  });

  it("processes rows, one by one and as columns", async () => {
    const fn = await open(`
def preprocess_function(example, **kwargs):
 """Transform raw data into the required format"""
 if example["question"] == "":
  raise ValueError("empty")
 return {
 "prompt": example["question"],
 "chosen": example["answer"],
 "rejected": "None, 0"
 }`);
    const rows = [{ question: "q", answer: "ä\ud83d", extra: [1.5, null, { a: true }] }];
    expect(await fn.process(rows)).toEqual([
      { ...rows[0], prompt: "q", chosen: "ä\ud83d", rejected: "None, 0" },
    ]);
    await expect(fn.process([...rows, { question: "", answer: "" }])).rejects.toMatchObject({
      code: "user-code-failed",
      details: { row: 1, line: 5, reason: "ValueError: empty" },
    });
    const batched = await open("lambda rows, by: {'n': [n * by for n in rows['n']]}");
    expect(await batched.process([{ n: 1 }, { n: 2 }], { batched: true, kwargs: { by: 3 } })).toEqual([
      { n: 3 },
      { n: 6 },
    ]);
  });

  it("is the Pyodide that the lock file belongs to", () => {
    expect(packageJson.dependencies.pyodide).toBe(PYODIDE_VERSION);
    const path = createRequire(import.meta.url).resolve("pyodide/pyodide-lock.json");
    expect(JSON.parse(readFileSync(path, "utf8")).info).toEqual(PYODIDE_LOCK.info);
  });
});
