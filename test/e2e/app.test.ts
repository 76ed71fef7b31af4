import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { AxeResults } from "axe-core";
import { afterEach, describe, expect, it } from "vitest";
import { SECURITY_HEADERS } from "../../scripts/security_headers.mjs";
import { APP, type OpenedApp, openApp, waitUntilOffline } from "./open_app.ts";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let app: OpenedApp | undefined;

afterEach(async () => {
  await app?.close();
  app = undefined;
});

/** The app with its start page drawn. */
async function open(...args: Parameters<typeof openApp>): Promise<OpenedApp> {
  app = await openApp(...args);
  await app.page.locator("main").waitFor();
  return app;
}

describe("the built app", () => {
  it("loads without an error, asks no other origin, and carries its policy on every file", async () => {
    const { page, url, errors, violations, origins, unprotected } = await open();
    await waitUntilOffline(page);
    expect(errors).toEqual([]);
    expect(violations).toEqual([]);
    expect([...origins]).toEqual([new URL(url).origin]);
    expect(unprotected).toEqual([]);
  });

  it("is cross-origin isolated and has WebGPU", async () => {
    const { page } = await open();
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    expect(await page.evaluate(async () => (await navigator.gpu.requestAdapter()) !== null)).toBe(true);
  });
});

describe("in a folder of a host", () => {
  it("loads, and works with the network off", async () => {
    const { page, context, errors, unprotected } = await open("app/", {}, join(APP, ".."));
    await waitUntilOffline(page);
    await context.setOffline(true);
    await page.reload();
    await page.locator("main").waitFor();
    expect(await page.evaluate(async () => (await fetch("datasets/ahoy.jsonl")).status)).toBe(200);
    expect(errors).toEqual([]);
    expect(unprotected).toEqual([]);
  });
});

describe("the policy refuses a request that is no download of a hub", () => {
  /** What a fetch without encryption and a socket ended with, and which directives the browser named. */
  const tryToLeave = `new Promise((resolve) => {
    const seen = [];
    addEventListener("securitypolicyviolation", (event) => seen.push(event.effectiveDirective));
    const end = (result) => setTimeout(() => resolve([result, ...seen]), 100);
    try { new WebSocket("wss://example.invalid/"); } catch {}
    fetch("http://example.invalid/").then(() => end("answered"), (error) => end(error.name));
  })`;
  const REFUSED = ["TypeError", "connect-src", "connect-src"];

  it("of the page", async () => {
    const { page } = await open();
    expect(await page.evaluate(tryToLeave)).toEqual(REFUSED);
  });

  it("of the worker that trains", async () => {
    const { page } = await open();
    const worker = page.workers()[0] ?? (await page.waitForEvent("worker"));
    expect(await worker.evaluate(tryToLeave)).toEqual(REFUSED);
  });

  it("of a worker that the page makes from a text", async () => {
    const { page } = await open();
    const result = await page.evaluate((script) => {
      const source = `${script}.then((result) => postMessage(result))`;
      const worker = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
      return new Promise((resolve) => {
        worker.onmessage = (event: MessageEvent<unknown>) => resolve(event.data);
      });
    }, tryToLeave);
    expect(result).toEqual(REFUSED);
  });

  it("of a script, an image, a style sheet and a frame in the page", async () => {
    const { page } = await open();
    const refused = await page.evaluate(async () => {
      const seen: string[] = [];
      addEventListener("securitypolicyviolation", (event) => seen.push(event.effectiveDirective));
      for (const tag of ["script", "img", "link", "iframe"]) {
        const element = document.createElement(tag);
        element.setAttribute(tag === "link" ? "href" : "src", "https://example.invalid/x");
        element.setAttribute("rel", "stylesheet");
        document.body.append(element);
      }
      while (seen.length < 4) await new Promise((resolve) => setTimeout(resolve, 20));
      return seen.sort();
    });
    expect(refused).toEqual(["frame-src", "img-src", "script-src-elem", "style-src-elem"]);
  });
});

describe("with the network off", () => {
  it("loads again, with its headers", async () => {
    const { page, context, errors } = await open();
    await waitUntilOffline(page);
    await context.setOffline(true);
    const response = await page.reload({ waitUntil: "load" });
    await page.locator("main").waitFor();
    expect(response?.fromServiceWorker()).toBe(true);
    const headers = response?.headers() ?? {};
    for (const [name, value] of Object.entries(SECURITY_HEADERS))
      expect(headers[name.toLowerCase()]).toBe(value);
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    expect(errors).toEqual([]);
  });

  it("has the embedded model and the datasets, whole and by ranges", async () => {
    const { page, context } = await open();
    await waitUntilOffline(page);
    await context.setOffline(true);
    const answers = await page.evaluate(async () => {
      const path = "models/aligntune-tiny/model.safetensors";
      const whole = await (await fetch(path)).arrayBuffer();
      const part = await fetch(path, { headers: { range: "bytes=8-15" } });
      const bytes = new Uint8Array(await part.arrayBuffer());
      const behind = await fetch(path, { headers: { range: `bytes=${whole.byteLength}-` } });
      return {
        same: String(bytes) === String(new Uint8Array(whole, 8, 8)),
        status: [part.status, behind.status],
        range: part.headers.get("content-range") === `bytes 8-15/${whole.byteLength}`,
        rows: (await (await fetch("datasets/arithmetic.jsonl")).text()).trim().split("\n").length > 100,
      };
    });
    expect(answers).toEqual({ same: true, status: [206, 416], range: true, rows: true });
  });
});

describe("Python's files", () => {
  it("are fetched when they are first used, and kept from then on", async () => {
    const { page, context } = await open();
    await waitUntilOffline(page);
    const status = (name: string) =>
      page.evaluate(
        (path) =>
          fetch(path).then(
            (response) => response.status,
            () => "no network",
          ),
        `pyodide/${name}`,
      );
    const stored = () =>
      page.evaluate(async () => {
        const caches_ = await Promise.all((await caches.keys()).map((name) => caches.open(name)));
        const requests = (await Promise.all(caches_.map((cache) => cache.keys()))).flat();
        return requests.filter(({ url }) => url.includes("/pyodide/")).length;
      });
    expect(await stored()).toBe(0);
    expect(await status("python_stdlib.zip")).toBe(200);
    expect(await stored()).toBe(1);
    await context.setOffline(true);
    expect(await status("python_stdlib.zip")).toBe(200);
    expect(await status("pyodide.asm.wasm")).toBe("no network");
  });
});

describe("with the network off, the demo", () => {
  it("starts to train", async () => {
    const { page, context, errors } = await open();
    await waitUntilOffline(page);
    await context.setOffline(true);
    await page.reload();
    await page.getByRole("button", { name: "Train the demo" }).click({ timeout: 60_000 });
    const text = async () => (await page.locator("body").textContent()) ?? "";
    await expect.poll(text, { timeout: 120_000, interval: 500 }).toMatch(/Training\s*[1-9]\d*\s%/);
    expect(errors).toEqual([]);
  });
});

describe("with the network off, files that are not there", () => {
  it("are missing, which is no failure of the network", async () => {
    const { page, context } = await open();
    await waitUntilOffline(page);
    await context.setOffline(true);
    const status = (path: string) => page.evaluate(async (url) => (await fetch(url)).status, path);
    expect(await status("models/aligntune-tiny/special_tokens_map.json")).toBe(404);
    await expect(status("elsewhere/file.json")).rejects.toThrow();
  });
});

describe("axe finds nothing on the start page", () => {
  it.each(["light", "dark"] as const)("in the %s theme", async (colorScheme) => {
    // The page as it stays: its worker has answered, and no colour is on its way to another.
    const { page } = await open("", { colorScheme, bypassCSP: true, reducedMotion: "reduce" });
    await page.getByRole("button", { name: "Train the demo" }).waitFor({ timeout: 60_000 });
    await page.evaluate("Promise.all(document.getAnimations().map((animation) => animation.finished))");
    await page.evaluate(AXE);
    const results = await page.evaluate<AxeResults>("axe.run()");
    expect(results.violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)])).toEqual([]);
  });
});
