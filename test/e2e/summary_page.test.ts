import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterEach, describe, expect, it } from "vitest";
import { ROOT } from "./cli_program.ts";
import { type OpenedApp, openApp } from "./open_app.ts";

let app: OpenedApp | undefined;
afterEach(async () => {
  await app?.close();
  app = undefined;
});

async function drop(page: Page, name: string): Promise<void> {
  const buffer = readFileSync(join(ROOT, `test/config/fixtures/summary_${name}.txt`));
  const file = { name: `${name}_training.yaml`, mimeType: "text/yaml", buffer };
  await page.getByLabel("File to open").first().setInputFiles(file);
}

const text = async (page: Page) => (await page.locator("main").textContent()) ?? "";

describe("the configuration files of AlignTune's summary, on the page", () => {
  it("grpo_training.yaml is repaired on request, and its settings are shown", async () => {
    app = await openApp();
    const { page, errors } = app;
    await drop(page, "grpo");
    const dialog = page.getByRole("dialog");
    await dialog.getByText("Line 20:", { exact: false }).waitFor();
    expect(await dialog.getByRole("button", { name: "Nothing to use yet" }).isDisabled()).toBe(true);
    await dialog.getByRole("button", { name: "Fix indentation" }).click();
    await dialog.getByText("Everything in this file was understood.").waitFor();
    expect(await dialog.getByLabel("The file").inputValue()).toMatch(/^ {3}weight: 1\.0$/m);
    const shown = (await dialog.textContent()) ?? "";
    expect(shown).toContain("Line 20:  weight: 1.0 →    weight: 1.0");
    expect(shown).toMatch(/algorithm\s*→ grpo/);
    expect(shown).toMatch(/learning_rate\s*→ 2e-4/);
    await dialog.getByRole("button", { name: "Use 12 settings" }).waitFor();
    expect(errors).toEqual([]);
  });

  it("sft_training.yaml is understood, and the page says what to do about the model and the dataset", async () => {
    app = await openApp();
    const { page, errors, origins, url } = app;
    await drop(page, "sft");
    await page.getByRole("dialog").getByText("Everything in this file was understood.").waitFor();
    await page.getByRole("button", { name: /^Use \d+ settings?$/ }).click();
    await expect
      .poll(() => text(page), { timeout: 60_000 })
      .toMatch(
        /Qwen\/Qwen3-0\.6B is a model of the Hugging Face hub.*open its folder from your disk, or train with the command line/,
      );
    expect([...origins]).toEqual([new URL(url).origin]);
    expect(errors).toEqual([]);
  });
});
