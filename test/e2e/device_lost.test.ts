import { afterAll, expect, it } from "vitest";
import { type OpenedApp, openApp } from "./open_app.ts";

let app: OpenedApp | undefined;

afterAll(() => app?.close());

it("goes on by itself after the GPU process has crashed", async () => {
  app = await openApp();
  const { page, context } = app;
  await page.getByRole("button", { name: /Train the demo/ }).click({ timeout: 60_000 });
  const main = page.locator("main");
  const step = async () => Number(/(\d+)\s*\/\s*64/.exec((await main.textContent()) ?? "")?.[1] ?? 0);
  await expect.poll(step, { timeout: 120_000, interval: 250 }).toBeGreaterThanOrEqual(3);
  const crashedAt = await step();
  const browser = await context.browser()?.newBrowserCDPSession();
  await browser?.send("Browser.crashGpuProcess");
  await page.getByRole("tab", { name: "Log" }).click();
  await main.getByText(/On a new device, from step 0/).waitFor({ timeout: 60_000 });
  await expect.poll(step, { timeout: 180_000, interval: 250 }).toBeGreaterThan(crashedAt);
  const text = (await main.textContent()) ?? "";
  expect(text).not.toMatch(/The GPU was reset by the system\s*The GPU/);
  expect(text).not.toMatch(/Failed/);
});
