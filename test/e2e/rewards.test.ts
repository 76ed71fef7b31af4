import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type OpenedApp, openApp } from "./open_app.ts";

/** What the setup page finds from the last visit: a short run of a method on the embedded model and data. */
const kept = (given: object): string => JSON.stringify({ recipe: null, given });

const GRPO = {
  algorithm: "grpo",
  model_name: "aligntune-tiny",
  dataset_name: "arithmetic",
  max_seq_length: 64,
  max_completion_length: 12,
  batch_size: 8,
  num_generations: 4,
  max_steps: 2,
  learning_rate: 0.001,
  rewards: [
    { type: "accuracy", weight: 1, params: {} },
    {
      ...{ type: "custom", weight: 0.5, params: {}, name: "short", language: "javascript" },
      code: "function short(text) {\n  console.log(text.length);\n  return text.length < 20 ? 1 : 0;\n}\n",
    },
  ],
};
const WAIT = { timeout: 240_000 };

let app: OpenedApp;
beforeAll(async () => {
  app = await openApp();
});
afterAll(() => app.close());

/** The setup page with these settings, ready to start. */
async function setUp(given: object): Promise<void> {
  const { page, url } = app;
  await page.evaluate((text) => localStorage.setItem("aligntune.setup", text), kept(given));
  await page.goto(`${url}?${Object.keys(given).length}-${Date.now()}#/new`);
  await page.getByRole("button", { name: "Start training" }).waitFor(WAIT);
}

describe("learning from rewards", () => {
  it("tries a reward of one's own on an answer", async () => {
    const { page } = app;
    await setUp(GRPO);
    await page.getByRole("button", { name: /^Try it.*short/ }).click();
    await page.getByLabel("Answer to score").fill("#### 176");
    await page.getByRole("button", { name: "Score this answer" }).click();
    await page.locator(".trial-score", { hasText: "1.00" }).waitFor(WAIT);
    await page.getByText("8", { exact: true }).last().waitFor();
  });

  it("scores answers of the base model before anything is trained", async () => {
    const { page } = app;
    await page.getByRole("button", { name: "Score 20 answers of the base model" }).click();
    const scores = page.getByRole("region", { name: "Scores of the base model" });
    // A short answer is worth 0.5, a right one 1: the base model gets some sums right and others not.
    await scores.getByText(/^20 answers got 0.* to 1\.50, .* on average\.$/).waitFor(WAIT);
  });

  it("trains, shows every answer with its scores, and keeps them", async () => {
    const { page } = app;
    await page.getByRole("button", { name: "Start training" }).click();
    await page.getByRole("heading", { name: /^Done\. Reward .* in 2 steps/ }).waitFor(WAIT);
    const answers = page.locator(".rollout-table tbody tr");
    expect(await answers.count()).toBe(8);
    await page.getByRole("columnheader", { name: "Short" }).first().waitFor();
    await page.reload();
    await answers.first().waitFor(WAIT);
    expect(await answers.count()).toBe(8);
    await page.getByRole("button", { name: "Rollout before" }).click();
    await page.getByRole("heading", { name: "Prompt 1", exact: true }).waitFor();
    expect(await answers.count()).toBe(8);
  });

  it("goes on from what it has learned, by another method", async () => {
    const { page } = app;
    await page.getByRole("button", { name: "Train it further" }).click();
    await page.getByRole("radio", { name: /^DPO/ }).check();
    const from = page.getByLabel("Start from");
    await from.waitFor();
    expect(await from.inputValue()).toMatch(/^run:.+@2$/);
    await page.getByRole("radio", { name: /Style pairs/ }).check();
    await page.getByRole("textbox", { name: "Steps", exact: true }).fill("2");
    await page.getByRole("textbox", { name: /^Maximum length/ }).fill("64");
    await page.getByRole("button", { name: "Start training" }).click(WAIT);
    await page.getByRole("heading", { name: /^Done\..* 2 steps/ }).waitFor(WAIT);
    expect(await page.getByRole("heading", { name: "Pairs in the right order" }).count()).toBe(1);
    expect(app.errors).toEqual([]);
    expect(app.violations).toEqual([]);
  });

  it("names a reward that fails, after a reload too, and opens it at the row that it failed on", async () => {
    const { page } = app;
    const code = "function broken(text) {\n  return null.length;\n}\n";
    const broken = { type: "custom", weight: 1, params: {}, name: "broken", language: "javascript", code };
    await setUp({ ...GRPO, rewards: [broken], run_name: "broken" });
    await page.getByRole("button", { name: "Start training" }).click();
    const failed = page.getByRole("heading", { name: /^The reward broken failed on 8 of 8 answers/ });
    await failed.waitFor(WAIT);
    const asked = await page.locator(".rollout-prompt").first().textContent();
    await page.reload();
    await failed.waitFor(WAIT);
    await page.getByRole("button", { name: "Edit the reward" }).click();
    const prompt = page.getByLabel("The prompt of this row");
    const sum = /\d+ ?[-+] ?\d+/.exec(asked?.replace("Prompt 1", "") ?? "")?.[0] ?? "no sum";
    await prompt.filter({ hasText: sum }).waitFor({ timeout: 30_000 });
    expect(await page.getByLabel("Answer to score").inputValue()).not.toBe("");
  });
});
