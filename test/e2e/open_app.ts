import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from "playwright-core";
import { type Server, serve } from "../../scripts/serve.mjs";
import { CHROMIUM } from "../setup/chromium.ts";

/** The folder of the built app. */
export const APP = fileURLToPath(new URL("../../dist/app/", import.meta.url));

/** The built app in a browser, and what was seen of it since it was opened. Close it in `afterEach` or `afterAll`. */
export interface OpenedApp {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Where the app is served, with the slash at its end. */
  readonly url: string;
  /** Errors on the console and exceptions that nothing caught, of the page and of its workers. */
  readonly errors: readonly string[];
  /** Everything that the page's security policy refused, as "directive: address". */
  readonly violations: readonly string[];
  /** The origin of every request, the refused ones too: of the page, its workers and the service worker. data: and blob: are not requests. */
  readonly origins: ReadonlySet<string>;
  /** Addresses of the app that were answered without the policy header. */
  readonly unprotected: readonly string[];
  close(): Promise<void>;
}

/**
 * Serves dist/app on a free port and opens it in a fresh profile of Chromium with WebGPU on the CPU.
 * @param path what follows the address, such as "#/runs".
 * @param options of the browser context, such as `colorScheme`.
 * @param folder what to serve, when it is not dist/app itself.
 */
export async function openApp(
  path = "",
  options: BrowserContextOptions = {},
  folder = APP,
): Promise<OpenedApp> {
  if (!existsSync(`${APP}service_worker.js`))
    throw new Error("dist/app is not built: run `npm run build` first");
  const server = await serve(folder);
  const browser = await chromium.launch(CHROMIUM);
  const context = await browser.newContext(options);
  const seen = await watch(context, server);
  const page = await context.newPage();
  await page.goto(server.url + path, { waitUntil: "load" });
  return { page, context, url: server.url, ...seen, close: () => closeAll(browser, server) };
}

async function closeAll(browser: Browser, server: Server): Promise<void> {
  await browser.close();
  await server.close();
}

type Seen = Pick<OpenedApp, "errors" | "violations" | "origins" | "unprotected">;

async function watch(context: BrowserContext, server: Server): Promise<Seen> {
  const errors: string[] = [];
  const violations: string[] = [];
  const unprotected: string[] = [];
  const origins = new Set<string>();
  context.on("console", (message) => {
    // Chromium reports a refusal on the console too, of workers as well: there is no page event for those.
    const refused =
      /violates the following Content Security Policy directive|Content Security Policy of your site/.test(
        message.text(),
      );
    if (refused) violations.push(message.text());
    else if (message.type() === "error") errors.push(message.text());
  });
  context.on("weberror", (error) => errors.push(String(error.error())));
  context.on("request", (request) => {
    const { origin, protocol } = new URL(request.url());
    if (protocol !== "data:" && protocol !== "blob:") origins.add(origin);
  });
  context.on("response", async (response) => {
    if (!response.url().startsWith(server.url)) return;
    if (response.headers()["content-security-policy"] === undefined) unprotected.push(response.url());
  });
  return { errors, violations, origins, unprotected };
}

/** Waits until the service worker has stored the whole app and serves this page. */
export async function waitUntilOffline(page: Page): Promise<void> {
  await page.waitForFunction(async () => {
    const registration = await navigator.serviceWorker.ready;
    return registration.active?.state === "activated" && navigator.serviceWorker.controller !== null;
  });
}
