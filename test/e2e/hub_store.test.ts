import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { build } from "vite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Server, serve } from "../../scripts/serve.mjs";
import { startHub, type TestHub } from "../hub/server.ts";
import { CHROMIUM } from "../setup/chromium.ts";
import type { HubStorePage } from "./hub_store_page/main.ts";
import type { HubRequest } from "./hub_store_page/worker.ts";

/** A page of the app's own modules, built and served with the app's own headers. */
const ENTRY = "test/e2e/hub_store_page/index.html";
const WEIGHTS = Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 31 + (i >> 8)) % 251);
const SUM = WEIGHTS.reduce((sum, byte) => sum + byte, 0);
const text = (content: string) => new TextEncoder().encode(content);

let folder = "";
let server: Server;
let browser: Browser;
let page: Page;
let hub: TestHub;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "aligntune-hub-"));
  const files = { "config.json": text("{}"), "model.safetensors": WEIGHTS };
  hub = await startHub([
    { kind: "models", id: "me/large", files },
    { kind: "models", id: "me/gated", token: "hf_good", gated: "auto", files },
  ]);
  await build({
    ...{ configFile: false, logLevel: "error", base: "./", publicDir: false },
    worker: { format: "es" },
    build: { outDir: folder, target: "es2023", rollupOptions: { input: ENTRY } },
  });
  server = await serve(folder);
  browser = await chromium.launch(CHROMIUM);
  page = await browser.newPage();
  await page.goto(server.url + ENTRY);
  await page.waitForFunction(() => "hubStorePage" in globalThis);
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
  await hub?.close();
  await rm(folder, { recursive: true, force: true });
});

const ask = (more: Partial<HubRequest> = {}) => {
  hub.seen.length = 0;
  return page.evaluate(
    (request) => (globalThis as unknown as { hubStorePage: HubStorePage }).hubStorePage.ask(request),
    { endpoint: hub.url, id: "me/large", file: "model.safetensors", ...more },
  );
};
const cut = (length: number) =>
  page.evaluate(
    (to) => (globalThis as unknown as { hubStorePage: HubStorePage }).hubStorePage.cut(to),
    length,
  );
const ranges = () => hub.seen.filter(({ at }) => at === "storage").map(({ range }) => range);

describe("a file of a hub in the browser's own file system", () => {
  it("goes on where it broke off, in another worker too", async () => {
    let asked = 0;
    hub.fault = ({ at }) => (at === "storage" ? (["broken", { status: 403 }] as const)[asked++] : undefined);
    const first = await ask();
    hub.fault = undefined;
    expect(first).toMatchObject({ before: 0, sum: null, verified: false, error: { code: "access-denied" } });
    expect(first.after).toBeGreaterThan(100_000);
    const second = await ask();
    expect(second).toEqual({
      ...{ before: first.after, after: WEIGHTS.length, sum: SUM, verified: true, error: null },
    });
    expect(ranges()).toEqual([`bytes=${first.after}-2999999`]);
    // The listing was kept as well, so that both halves are of one commit.
    expect(hub.seen.filter(({ path }) => path.startsWith("/api"))).toEqual([]);
  });

  it("is read again with no request at all", async () => {
    expect(await ask()).toMatchObject({ before: WEIGHTS.length, sum: SUM, error: null });
    expect(hub.seen).toEqual([]);
  });

  it("that is not as long as it was is fetched anew", async () => {
    expect(await cut(1000)).toBe(1);
    expect(await ask()).toMatchObject({ before: 0, sum: SUM, verified: true, error: null });
    expect(ranges()).toEqual(["bytes=0-2999999"]);
  });

  it("whose content is another is deleted, and told", async () => {
    await cut(0);
    hub.fault = ({ at }) => (at === "storage" ? "changed" : undefined);
    const changed = await ask();
    hub.fault = undefined;
    expect(changed).toMatchObject({ after: 0, sum: null, verified: false, error: { code: "file-invalid" } });
    expect(changed.error?.message).toMatch(/arrived with another content.*was deleted/);
    expect(await ask()).toMatchObject({ before: 0, sum: SUM, verified: true });
  });

  it("that is gated comes with a token, which does not go to the storage", async () => {
    const denied = await ask({ id: "me/gated" });
    expect(denied.error).toMatchObject({ code: "access-denied" });
    expect(await ask({ id: "me/gated", token: "hf_good" })).toMatchObject({ sum: SUM, error: null });
    const tokens = hub.seen.map(({ at, authorization }) => `${at} ${authorization}`);
    expect(new Set(tokens)).toEqual(new Set(["hub Bearer hf_good", "storage undefined"]));
    // Once it is here nobody is asked, and no token is needed.
    expect(await ask({ id: "me/gated" })).toMatchObject({ sum: SUM, error: null });
    expect(hub.seen).toEqual([]);
  });
});
