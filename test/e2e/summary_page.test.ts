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
});
