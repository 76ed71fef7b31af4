import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { build } from "vite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { pyodideFiles } from "../../scripts/pyodide_plugin.ts";
import { scriptText } from "../../scripts/script_text_plugin.ts";
import { type Server, serve } from "../../scripts/serve.mjs";
import type { Language, Limits, RewardItem, Scored } from "../../src/host/user_code.ts";
import { CHROMIUM } from "../setup/chromium.ts";
import type { UserCodePage } from "./user_code_page/main.ts";

/** A page of the app's own modules, built and served with the app's own headers. */
const ENTRY = "test/e2e/user_code_page/index.html";

let folder = "";
let server: Server;
let browser: Browser;
let page: Page;
/** What became of each request: "finished", or why the browser did not send it. */
const requests: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "aligntune-code-"));
  await build({
    ...{ configFile: false, logLevel: "error", base: "./", publicDir: "public" },
    plugins: [scriptText(), pyodideFiles()],
    build: { outDir: folder, target: "es2023", rollupOptions: { input: ENTRY } },
  });
  server = await serve(folder);
  browser = await chromium.launch(CHROMIUM);
  page = await browser.newPage();
  const note = (what: string, url: string) => !url.startsWith("blob:") && requests.push(what);
  page.on("requestfinished", (request) => note("finished", request.url()));
  page.on("requestfailed", (request) => note(request.failure()?.errorText ?? "", request.url()));
  await page.goto(server.url + ENTRY);
  await page.waitForFunction(() => "userCodePage" in globalThis);
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
  await rm(folder, { recursive: true, force: true });
});

const item = (completion: string, answer: string | null = null): RewardItem => ({
  ...{ prompt: "p", completion, completionIds: [1], reference: answer, row: { answer } },
});

async function open(code: string, language: Language = "javascript", name?: string) {
  const source = { code, language, name, purpose: "reward" as const, title: "my_reward" };
  return page.evaluate(
    (given) => (globalThis as unknown as { userCodePage: UserCodePage }).userCodePage.open(given),
    source,
  );
}

async function score(
  opened: Awaited<ReturnType<typeof open>>,
  items: readonly RewardItem[],
  limits?: Limits,
): Promise<readonly Scored[]> {
  if (!("fn" in opened)) throw new Error(opened.message);
  return page.evaluate(
    ([fn, given, limit]) =>
      (globalThis as unknown as { userCodePage: UserCodePage }).userCodePage.score(fn, given, limit),
    [opened.fn, items, limits] as const,
  );
}

/** Runs an expression where a reward runs, and says what came of it. */
async function attempt(expression: string): Promise<string> {
  const opened = await open(
    `async function f(text) { try { console.log("reached " + (await (${expression}))); } catch (error) { console.log(error.name); } return 0; }`,
  );
  await score(opened, [item("")], { perCall: 5_000, perBatch: 5_000 });
  const fn = "fn" in opened ? opened.fn : -1;
  const logs = await page.evaluate(
    (number) => (globalThis as unknown as { userCodePage: UserCodePage }).userCodePage.logs(number),
    fn,
  );
  return logs.join("\n");
}

describe("code that a person wrote", () => {
  it.each([
    ["fetch of this site", "fetch(URL_HERE).then((r) => r.status)", /^TypeError$/],
    ["fetch of another site", "fetch('https://example.invalid/').then((r) => r.status)", /^TypeError$/],
    ["a script of this site", "importScripts(URL_HERE)", /^NetworkError$/],
    ["a module of this site", "import(URL_HERE)", /^TypeError$/],
    [
      "a web socket",
      "new Promise((ok, no) => { const s = new WebSocket('ws://localhost:1/'); s.onopen = ok; s.onerror = () => no(new TypeError()); })",
      /^(TypeError|SecurityError)$/,
    ],
    [
      "an old request",
      "new Promise((ok, no) => { const x = new XMLHttpRequest(); x.onload = () => ok(x.status); x.onerror = () => no(new TypeError()); x.open('GET', URL_HERE); x.send(); })",
      /^TypeError$/,
    ],
    ["localStorage", "localStorage.length", /^(ReferenceError|SecurityError)$/],
    [
      "IndexedDB",
      "new Promise((ok, no) => { const q = indexedDB.open('aligntune'); q.onsuccess = () => ok('open'); q.onerror = () => no(q.error); })",
      /^SecurityError$/,
    ],
    ["caches", "caches.keys()", /^(ReferenceError|SecurityError)$/],
    ["the page", "parent.document.title", /^ReferenceError$/],
    ["the top page", "top.document.title", /^ReferenceError$/],
    ["its document", "document.title", /^ReferenceError$/],
    [
      "a worker of this site",
      "new Promise((ok, no) => { const w = new Worker(URL_HERE); w.onmessage = ok; w.onerror = () => no(new TypeError()); })",
      /^(TypeError|SecurityError)$/,
    ],
    [
      "a worker that asks the network",
      "new Promise((ok, no) => { const w = new Worker(URL.createObjectURL(new Blob(['fetch(\"' + URL_HERE + '\").then((r) => postMessage(r.status), () => postMessage(0))']))); w.onmessage = ({ data }) => data ? ok(data) : no(new TypeError()); w.onerror = () => no(new TypeError()); })",
      /^TypeError$/,
    ],
    ["text as code", "eval('1')", /^EvalError$/],
  ])("cannot reach %s", async (_what, expression, refusal) => {
    requests.length = 0;
    const here = JSON.stringify(`${server.url}datasets/ahoy.jsonl`);
    expect(await attempt(expression.replaceAll("URL_HERE", here))).toMatch(refusal);
    expect(new Set(requests)).toEqual(new Set(requests.length > 0 ? ["csp"] : []));
  });

  it("is killed when it does not end, and the next call works", async () => {
    const opened = await open("(text) => { while (text === 'loop'); return text.length; }");
    const limits = { perCall: 500, perBatch: 10_000 };
    const results = await score(opened, [item("ab"), item("loop"), item("abc")], limits);
    expect(results.map(({ value, error }) => error?.kind ?? value)).toEqual([2, "too-slow", 3]);
    expect(await score(opened, [item("a")])).toEqual([{ value: 1 }]);
  });

  it("is told the line of what it throws", async () => {
    const opened = await open("const a = 1;\n\nfunction f(text) {\n  if (!text) null.x;\n  return 1;\n}");
    const [first, second] = await score(opened, [item(""), item("x")]);
    expect(first?.error).toMatchObject({
      kind: "threw",
      line: 4,
      message: expect.stringMatching(/^TypeError/),
    });
    expect(second).toEqual({ value: 1 });
  });

  it("is refused with its line when it cannot be read or loaded", async () => {
    expect(await open("function f() {\n  return 1;\n  let b = ;\n}")).toMatchObject({
      code: "user-code-invalid",
      message: expect.stringMatching(/^my_reward, line 3: SyntaxError/),
    });
    expect(await open("\nnull.x;\nfunction f() {}")).toMatchObject({
      message: expect.stringMatching(/^my_reward, line 2: TypeError/),
    });
    expect(await open("function f(: {}", "typescript")).toMatchObject({ code: "user-code-invalid" });
  });

  it("may be written in both forms, with types", async () => {
    const each = await open(
      "export function f(text: string, reference: string | null): number { return text === reference ? 1 : 0; }",
      "typescript",
    );
    expect(each).toMatchObject({ style: "per-completion" });
    expect(await score(each, [item("a", "a"), item("b", "a")])).toEqual([{ value: 1 }, { value: 0 }]);
    const all = await open(
      "({ completions, answer }) => completions.map((c, i) => (c === answer[i] ? 1 : null))",
    );
    expect(all).toMatchObject({ style: "batch" });
    expect(await score(all, [item("a", "a"), item("b", "a")])).toEqual([{ value: 1 }, { value: null }]);
  });
});

describe("Python that a person wrote", () => {
  it("runs as AlignTune's documentation has it, without a network, and is killed when it does not end", async () => {
    const math = await open(
      'def my_math_reward(text, reference=None, **kwargs):\n """\n Custom reward function for math problems.\n Returns 1.0 if the answer contains numbers, 0.0 otherwise.\n """\n has_numbers = any(char.isdigit() for char in text)\n return 1.0 if has_numbers else 0.0\n',
      "python",
    );
    expect(await score(math, [item("it is 4"), item("four")])).toEqual([{ value: 1 }, { value: 0 }]);

    const rows = await open(
      'def preprocess_function(example):\n """Transform raw data into the required format"""\n return {\n "prompt": example["question"],\n "chosen": example["answer"],\n "rejected": "None, 0"\n }\n',
      "python",
    );
    const processed = await page.evaluate(
      (fn) =>
        (globalThis as unknown as { userCodePage: UserCodePage }).userCodePage.process(fn, [
          { question: "q", answer: "a" },
        ]),
      "fn" in rows ? rows.fn : -1,
    );
    expect(processed).toEqual([
      { question: "q", answer: "a", prompt: "q", chosen: "a", rejected: "None, 0" },
    ]);

    requests.length = 0;
    const loop = await open(
      "from js import fetch\n\nasync def f(text, reference=None):\n    if text == 'loop':\n        while True: pass\n    if text == 'net':\n        await fetch('https://example.invalid/')\n    return len(text)\n",
      "python",
    );
    const limits = { perCall: 2_000, perBatch: 10_000 };
    const results = await score(loop, [item("ab"), item("loop"), item("net"), item("abc")], limits);
    expect(results.map(({ value, error }) => error?.kind ?? value)).toEqual([2, "too-slow", "threw", 3]);
    expect(results[2]?.error?.line).toBe(7);
    expect(results[2]?.error?.message).toMatch(/Code cannot use the network here/);
    expect(new Set(requests)).toEqual(new Set(requests.length > 0 ? ["csp"] : []));
  });
});
