import { readFile } from "node:fs/promises";
import { unzipSync } from "fflate";
import type { Page } from "playwright-core";
import { afterAll, describe, expect, it } from "vitest";
import { readSafetensors } from "../../src/formats/safetensors.ts";
import { memoryAsset } from "../../src/host/memory.ts";
import { type OpenedApp, openApp } from "./open_app.ts";

/** The demo in small: few rows a step, checkpoints in the middle, dropout so that the random state matters. */
const CONFIG = `algorithm: sft
model_name: aligntune-tiny
dataset_name: ahoy
eval_dataset_name: ahoy-heldout
max_eval_samples: 8
max_seq_length: 64
batch_size: 4
max_steps: 14
learning_rate: 0.003
lora_dropout: 0.1
save_steps: 5
eval_steps: 7
sample_every: 7
sample_max_new_tokens: 12
`;

let app: OpenedApp | undefined;

afterAll(() => app?.close());

/** Opens the configuration by the page's own file button, and starts it. */
async function start(page: Page, url: string): Promise<void> {
  await page.goto(`${url}#/`);
  await page.getByRole("button", { name: /Open a config or dataset/ }).waitFor();
  const file = { name: "small-demo.yaml", mimeType: "text/yaml", buffer: Buffer.from(CONFIG) };
  await page.getByLabel("File to open").first().setInputFiles(file);
  await page.getByRole("button", { name: /^Use \d+ settings?$/ }).click();
  await page.getByRole("button", { name: "Start training" }).click({ timeout: 60_000 });
  await page.waitForURL(/#\/run\//, { timeout: 60_000 });
}

async function stepOf(page: Page): Promise<number> {
  const text = (await page.locator("main").textContent()) ?? "";
  return Number(/(\d+)\s*\/\s*14/.exec(text)?.[1] ?? 0);
}

async function waitForStep(page: Page, step: number): Promise<void> {
  await expect.poll(() => stepOf(page), { timeout: 240_000, interval: 250 }).toBeGreaterThanOrEqual(step);
}

async function waitForDone(page: Page): Promise<void> {
  await page
    .getByRole("button", { name: /Download adapter/ })
    .first()
    .waitFor({ timeout: 300_000 });
}

async function downloadAdapter(page: Page): Promise<Record<string, Uint8Array>> {
  const waiting = page.waitForEvent("download");
  await page
    .getByRole("button", { name: /Download adapter/ })
    .first()
    .click();
  const download = await waiting;
  expect(download.suggestedFilename()).toMatch(/-adapter\.zip$/);
  const files = unzipSync(new Uint8Array(await readFile(await download.path())));
  return Object.fromEntries(
    Object.entries(files).map(([name, bytes]) => [name.split("/").at(-1) ?? name, bytes]),
  );
}

describe("training in the page", () => {
  let uninterrupted: Record<string, Uint8Array> = {};

  it("goes from a dropped configuration to a downloaded adapter, and shows what was learned", async () => {
    app = await openApp();
    const { page, url } = app;
    await start(page, url);
    await waitForDone(page);
    const text = await page.locator("main").textContent();
    expect(text).toMatch(/14\s*\/\s*14/);
    expect(text).not.toMatch(/undefined|NaN|\[object/);
    uninterrupted = await downloadAdapter(page);
    const names = Object.keys(uninterrupted);
    for (const name of [
      "adapter_config.json",
      "adapter_model.safetensors",
      "README.md",
      "training_config.yaml",
      "trainer_state.json",
      "tokenizer.json",
    ]) {
      expect(names).toContain(name);
    }
    const bytes = uninterrupted["adapter_model.safetensors"] ?? new Uint8Array();
    const { tensors } = await readSafetensors(memoryAsset("adapter", new Uint8Array(bytes)));
    // Four layers of seven projections, A and B each.
    expect(tensors.size).toBe(56);
    const last = tensors.get("base_model.model.model.layers.3.mlp.down_proj.lora_B.weight");
    const values = (await last?.floats()) ?? new Float32Array();
    expect(values.some((value) => value !== 0)).toBe(true);
    expect(values.every(Number.isFinite)).toBe(true);
    // What was planned and what was taken are kept with the run.
    await page.reload();
    const memory = await page.getByText(/^GPU memory: planned/).textContent();
    const [, planned, peak] = /planned ([\d.]+) MB, peak ([\d.]+) MB/.exec(memory ?? "") ?? [];
    expect(Number(peak) / Number(planned)).toBeGreaterThan(0.95);
    expect(Number(peak) / Number(planned)).toBeLessThan(1.05);
  });

  it("resumes with one click after a reload in the middle, and ends with the same bytes", async () => {
    if (!app) throw new Error("the first test opens the app");
    const { page, url } = app;
    await start(page, url);
    await waitForStep(page, 6);
    page.on("dialog", (dialog) => void dialog.accept());
    await page.goto("about:blank");
    await page.goto(`${url}#/`);
    await page.getByRole("button", { name: "Resume" }).first().click({ timeout: 60_000 });
    await waitForDone(page);
    const resumed = await downloadAdapter(page);
    const [a, b] = [resumed, uninterrupted].map((files) =>
      Buffer.from(files["adapter_model.safetensors"] ?? []),
    );
    expect(a?.length).toBeGreaterThan(0);
    expect(a?.equals(b ?? Buffer.alloc(0))).toBe(true);
  });

  it("asked nobody else for anything", () => {
    expect([...(app?.origins ?? [])]).toEqual([new URL(app?.url ?? "http://none").origin]);
    expect(app?.violations).toEqual([]);
    expect(app?.errors).toEqual([]);
  });
});
