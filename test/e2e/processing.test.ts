import type { Page } from "playwright-core";
import { afterEach, describe, expect, it } from "vitest";
import { type OpenedApp, openApp, waitUntilOffline } from "./open_app.ts";

let app: OpenedApp | undefined;

afterEach(async () => {
  await app?.close();
  app = undefined;
});

const config = (code: string) => `algorithm: sft
model_name: aligntune-tiny
dataset_name: ahoy
max_samples: 40
max_steps: 2
batch_size: 2
max_seq_length: 64
processing_fn: |-
${code.replace(/^/gm, "  ")}
`;

/** Opens a configuration with this function by the page's own file button. */
async function use(page: Page, code: string): Promise<void> {
  const file = { name: "run.yaml", mimeType: "text/yaml", buffer: Buffer.from(config(code)) };
  await page.getByLabel("File to open").first().setInputFiles(file);
  await page.getByRole("button", { name: /^Use \d+ settings?$/ }).click();
}

const text = async (page: Page) => (await page.locator("main").textContent()) ?? "";

describe("a function on rows, in the page, with the network off", () => {
  it("makes the rows that are shown and trained on", async () => {
    app = await openApp();
    const { page, context, errors, violations } = app;
    await waitUntilOffline(page);
    await context.setOffline(true);
    await page.reload();
    await use(page, '(row) => ({ completion: [{ role: "assistant", content: "Processed!" }] })');
    await expect.poll(() => text(page), { timeout: 60_000 }).toContain("Processed!");
    await page.getByRole("button", { name: "Start training" }).click({ timeout: 60_000 });
    await page.waitForURL(/#\/run\//, { timeout: 60_000 });
    await expect.poll(() => text(page), { timeout: 240_000, interval: 500 }).toMatch(/2\s*\/\s*2/);
    expect(errors).toEqual([]);
    expect(violations).toEqual([]);
  });

  it("names the line and the row of what it throws", async () => {
    app = await openApp();
    const { page } = app;
    await use(page, "function clean(row) {\n  return row.missing.length;\n}");
    await expect
      .poll(() => text(page), { timeout: 60_000 })
      .toMatch(/processing_fn, line 2: TypeError: .*It was given ahoy\.jsonl line 1\./);
  });
});
