import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { AxeResults } from "axe-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { summaryRepositories, tinyQwen3 } from "../hub/repositories.ts";
import { startHub, type TestHub } from "../hub/server.ts";
import { type OpenedApp, openApp } from "./open_app.ts";

/** The configurations of AlignTune's documentation, with the indentation that its text has lost. */
const fixture = (name: string): string =>
  readFileSync(join(import.meta.dirname, `../config/fixtures/${name}.txt`), "utf8");
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const WAIT = { timeout: 120_000 };

let hub: TestHub;
let app: OpenedApp;
beforeAll(async () => {
  hub = await startHub(
    [
      ...(await summaryRepositories()),
      {
        ...{ kind: "models", id: "meta/gated", token: "hf_good", gated: "manual", licence: "llama3.2" },
        files: await tinyQwen3(2),
      },
    ],
    { hf_good: "ada", hf_other: "bob" },
  );
  app = await openApp("#/new", { reducedMotion: "reduce" });
});
afterAll(async () => {
  await app?.close();
  await hub?.close();
});

/** As if a person let go of a file over the page. */
async function drop(name: string, text: string): Promise<void> {
  await app.page.evaluate(
    ([fileName, content]) => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([content], fileName));
      for (const type of ["dragover", "drop"])
        document.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer }));
    },
    [name, text] as const,
  );
  await app.page.getByRole("heading", { name: `Review ${name}` }).waitFor(WAIT);
}

async function fill(values: Readonly<Record<string, string>>): Promise<void> {
  for (const [key, value] of Object.entries(values)) await app.page.locator(`#setting-${key}`).fill(value);
}

const start = () =>
  app.page.getByRole("button", { name: /^(Download [\d.]+ [kM]B and start|Start) training$/ });

/** What axe finds on the page as it is. */
async function violations(): Promise<readonly (readonly [string, readonly string[]])[]> {
  await app.page.evaluate(AXE);
  const results = await app.page.evaluate<AxeResults>("axe.run()");
  return results.violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)]);
}

const own = () => new URL(app.url).origin;
const elsewhere = () => [...app.origins].filter((origin) => origin !== own());

describe("models and data of a hub", () => {
  it("are looked for at the address that is set, which is not asked by that", async () => {
    const { page } = app;
    await page.getByRole("button", { name: "Hub address…" }).first().click(WAIT);
    const address = page.getByRole("textbox", { name: "Hub address" });
    expect(await address.inputValue()).toBe("https://huggingface.co");
    await address.fill("http://192.168.0.2/");
    await page.getByRole("button", { name: "Use this address" }).click();
    await page.getByText(/An address has the form https:/).waitFor();
    await address.fill(hub.url);
    await page.getByRole("button", { name: "Use this address" }).click();
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    await page
      .getByText(`Fetched from ${new URL(hub.url).host}`)
      .first()
      .waitFor();
    expect(hub.seen).toEqual([]);
    expect(elsewhere()).toEqual([]);
  });

  it("start the run that AlignTune's GRPO configuration describes", async () => {
    const { page } = app;
    await drop("grpo_training.yaml", fixture("summary_grpo"));
    expect(hub.seen).toEqual([]);
    await page.getByRole("button", { name: "Fix indentation" }).click();
    await page.getByText("The indentation did not fit and was repaired.").waitFor();
    await page.getByRole("button", { name: /^Use \d+ settings$/ }).click();
    await expect.poll(() => page.locator("#setting-max_steps").inputValue(), WAIT).toBe("100");
    await fill({ max_steps: "1", batch_size: "4", num_generations: "2", max_completion_length: "8" });
    await start().waitFor(WAIT);
    const summary = page.getByRole("complementary", { name: "Run summary" });
    expect(await summary.textContent()).toMatch(/Model: Qwen\/Qwen3-0.6B\s*[\d.]+ kB/);
    expect(await summary.textContent()).toMatch(/Data: openai\/gsm8k, train\s*[\d.]+ kB/);
    await page.getByText(/12 rows: /).waitFor();

    await start().click();
    await page.getByRole("heading", { name: "Done. 1 step was made." }).waitFor(WAIT);
    expect(await page.locator(".rollout-table tbody tr").count()).toBe(4);
    await page
      .getByText(/has \d shells and finds \d more\. How many shells/)
      .first()
      .waitFor();
    await page
      .locator(".rollout-head strong", { hasText: /#### \d$/ })
      .first()
      .waitFor();
    await page.getByRole("columnheader", { name: "Accuracy" }).first().waitFor();
    await page.getByRole("tab", { name: "Config" }).click();
    const config = await page.locator("main").textContent();
    expect(config).toMatch(/model_name: Qwen\/Qwen3-0\.6B/);
    expect(config).toMatch(/type: accuracy/);
  });

  it("start the run that its SFT configuration describes", async () => {
    const { page } = app;
    await drop("sft_training.yaml", fixture("summary_sft"));
    await page.getByRole("button", { name: /^Use \d+ settings$/ }).click();
    // Until the worker has read them, the form shows the settings before.
    await expect.poll(() => page.locator("#setting-max_steps").inputValue(), WAIT).toBe("");
    await fill({ max_steps: "1", batch_size: "2" });
    await start().click(WAIT);
    await page.getByRole("heading", { name: "Done. 1 step was made." }).waitFor(WAIT);
  });

  it("are all that was asked of another site, by GET and with nothing of the page's", async () => {
    const origins = new Set(hub.seen.map(({ at }) => at));
    expect([...origins].sort()).toEqual(["hub", "storage"]);
    expect(elsewhere().every((origin) => /^http:\/\/127\.0\.0\.1:\d+$/.test(origin))).toBe(true);
    expect(elsewhere()).toHaveLength(2);
    expect(hub.seen.every(({ authorization }) => authorization === undefined)).toBe(true);
    const names = new Set(hub.seen.map(({ path }) => /(?:Qwen\/Qwen3-0\.6B|openai\/gsm8k)/.exec(path)?.[0]));
    expect([...names].filter((name) => name !== undefined).sort()).toEqual([
      "Qwen/Qwen3-0.6B",
      "openai/gsm8k",
    ]);
    const cached = await app.page.evaluate(async () => {
      const keys = await Promise.all(
        (await caches.keys()).map(async (name) => (await caches.open(name)).keys()),
      );
      return keys.flat().filter(({ url }) => new URL(url).origin !== location.origin).length;
    });
    expect(cached).toBe(0);
    await app.page.getByRole("button", { name: /^On this device/ }).click();
    await app.page.getByText(`came from ${new URL(hub.url).host}, for the names that you gave`).waitFor();
    await app.page.keyboard.press("Escape");
  });

  it("are described before they are fetched, from a pasted address", async () => {
    const { page } = app;
    await page.goto(`${app.url}#/new`);
    const before = hub.seen.length;
    await page.getByLabel("Or a model of the hub").fill(`${hub.url}/Qwen/Qwen3-0.6B/tree/second`);
    await page.getByRole("button", { name: "Use this model" }).click();
    const facts = page.getByRole("region", { name: "About Qwen/Qwen3-0.6B" });
    await facts.getByText(/on this device/).waitFor(WAIT);
    expect(await facts.getByLabel("Revision").inputValue()).toBe("second");
    await facts.getByText("Open to everyone").waitFor();
    const large = hub.seen.slice(before).filter(({ path }) => path.endsWith("model.safetensors"));
    expect(large.every(({ range }) => range !== undefined)).toBe(true);
  });

  it("that are gated open in three steps, with a token that is not written down", async () => {
    const { page } = app;
    await page.getByLabel("Or a model of the hub").fill("meta/gated");
    await page.getByRole("button", { name: "Use this model" }).click();
    await page.getByRole("button", { name: "Get access…" }).click(WAIT);
    const dialog = page.getByRole("dialog", { name: "Access to meta/gated" });
    await dialog.getByRole("link", { name: /Open its page/ }).waitFor();
    expect(await violations()).toEqual([]);
    const give = async (token: string) => {
      await dialog
        .getByRole("textbox", { name: "Token" })
        .or(dialog.getByLabel("Token", { exact: true }))
        .fill(token);
      await dialog.getByRole("button", { name: "Check this token" }).click();
    };
    await give("hf_wrong");
    await dialog.getByText(/does not know this token/).waitFor();
    await give("hf_other");
    await dialog.getByText("Signed in as bob, for this tab.").waitFor();
    await dialog.getByRole("button", { name: "Check again" }).click();
    await dialog.getByText("The account of your token has not been let in yet.").waitFor();
    await dialog.getByRole("button", { name: "Use another token" }).click();
    await give(' "hf_good" ');
    await dialog.getByText("Signed in as ada, for this tab.").waitFor();
    await dialog.getByRole("button", { name: "Check again" }).click();
    await dialog.getByText("It is open to you now.").waitFor();
    await dialog.getByRole("button", { name: "Go on" }).click();
    await page.getByRole("region", { name: "About meta/gated" }).getByText("Llama 3.2 licence").waitFor(WAIT);
    expect(await page.evaluate(() => JSON.stringify({ ...localStorage }))).not.toContain("hf_");
    expect(hub.seen.filter(({ at }) => at === "storage").some(({ authorization }) => authorization)).toBe(
      false,
    );
    expect(hub.seen.some(({ path }) => path.includes("hf_"))).toBe(false);
  });

  it("are listed in the library with what they take, and deleted there", async () => {
    const { page } = app;
    await page.goto(`${app.url}#/library`);
    const rows = page.getByRole("row").filter({ hasText: "Qwen/Qwen3-0.6B" });
    const trained = rows.filter({ hasText: "main ·" });
    await trained.getByText("Complete").waitFor(WAIT);
    expect(await violations()).toEqual([]);
    // The last run holds its model.
    await trained.getByRole("button", { name: /^Delete Qwen/ }).click();
    await page.getByRole("button", { name: /^Delete and free [\d.]+ [kM]B$/ }).click();
    await page
      .getByText(/Stop that run first/)
      .first()
      .waitFor(WAIT);
    await page.goto(`${app.url}#/runs`);
    await page
      .getByRole("button", { name: /^Delete / })
      .first()
      .click(WAIT);
    await page.getByRole("button", { name: "Delete the run" }).click();
    await page.goto(`${app.url}#/library`);
    await trained.getByRole("button", { name: /^Delete Qwen/ }).click(WAIT);
    await page.getByRole("button", { name: /^Delete and free [\d.]+ [kM]B$/ }).click();
    await trained.waitFor({ state: "detached" });
    // The refusals themselves are told by the browser on the console too.
    expect(app.errors.filter((text) => !/status of 4(?:01|03)/.test(text))).toEqual([]);
  });
});
