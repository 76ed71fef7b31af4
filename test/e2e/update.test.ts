import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { APP, type OpenedApp, openApp, waitUntilOffline } from "./open_app.ts";

let folder: string;
let app: OpenedApp;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "update-"));
  cpSync(APP, folder, { recursive: true });
  app = await openApp("", {}, folder);
  await waitUntilOffline(app.page);
});

afterEach(async () => {
  await app.close();
  rmSync(folder, { recursive: true });
});

/** The same files as a version of another name. */
function release(version: string): void {
  const path = join(folder, "service_worker.js");
  const script = readFileSync(path, "utf8");
  const next = script.replace(/(version:["'`])\w+/, `$1${version}`);
  expect(next).not.toBe(script);
  writeFileSync(path, next);
}

const cacheNames = (page: Page) => page.evaluate(() => caches.keys());

/** Looks for a new version, as the browser does at every load, and waits until it is stored. */
function storeUpdate(page: Page): Promise<void> {
  return page.evaluate(async () => {
    const registration = await navigator.serviceWorker.ready;
    await registration.update();
    while (!registration.waiting) await new Promise((resolve) => setTimeout(resolve, 20));
  });
}

/** How many versions are stored, once that has not changed for a few seconds. */
async function settledCaches(page: Page): Promise<number> {
  await page.waitForTimeout(4000);
  return (await cacheNames(page).catch(() => [])).length;
}

describe("a new version of the app", () => {
  it("waits while the page is open and takes over when it is loaded again", async () => {
    const before = await cacheNames(app.page);
    release("next");
    await storeUpdate(app.page);
    expect((await cacheNames(app.page)).length).toBe(2);
    let loads = 0;
    let asked = 0;
    app.page.on("load", () => loads++);
    // A page that is being unloaded may still count as open when the new one asks: then it is the load after.
    for (; asked < 4 && (await settledCaches(app.page)) !== 1; asked++) await app.page.reload();
    expect(await cacheNames(app.page)).toHaveLength(1);
    expect(await cacheNames(app.page)).not.toEqual(before);
    await app.page.locator("main").waitFor();
    // The new version reloads the page it takes over once, and never again.
    expect(loads).toBeLessThanOrEqual(asked + 1);
  });

  it("waits on while another page is open, which may be training", async () => {
    const other = await app.context.newPage();
    await other.goto(app.url);
    release("next");
    await storeUpdate(app.page);
    await app.page.reload();
    await app.page.waitForTimeout(1000);
    expect((await cacheNames(app.page)).length).toBe(2);
  });

  it("is not installed where a file has not the bytes of the build", async () => {
    const before = await cacheNames(app.page);
    release("next");
    const path = join(folder, "service_worker.js");
    const script = readFileSync(path, "utf8");
    writeFileSync(path, script.replace(/(datasets\/ahoy\.jsonl.{1,20}integrity:.sha256-)\w{4}/, "$1AAAA"));
    const state = await app.page.evaluate(async () => {
      const registration = await navigator.serviceWorker.ready;
      const found = new Promise<string>((resolve) => {
        registration.addEventListener("updatefound", () => {
          const worker = registration.installing;
          worker?.addEventListener("statechange", () => resolve(worker.state));
        });
      });
      await registration.update();
      return found;
    });
    expect(state).toBe("redundant");
    expect(await cacheNames(app.page)).toEqual(before);
  });
});
