import { readFile } from "node:fs/promises";
import { unzipSync } from "fflate";
import type { Locator } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readSafetensors } from "../../src/formats/safetensors.ts";
import { memoryAsset } from "../../src/host/memory.ts";
import { digest } from "../hub/answers.ts";
import { shardedQwen3, summaryRepositories } from "../hub/repositories.ts";
import type { Fault, SeenRequest } from "../hub/send_file.ts";
import { startHub, type TestHub } from "../hub/server.ts";
import { type OpenedApp, openApp, waitUntilOffline } from "./open_app.ts";

const WAIT = { timeout: 60_000 };
/** Waiting for more than ten seconds is left to the person. */
const LATER = { ratelimit: '"api";r=0;t=11' };

let hub: TestHub;
let host = "";
let app: OpenedApp;
let shards: Record<string, Uint8Array> = {};
const failed: string[] = [];
beforeAll(async () => {
  shards = await shardedQwen3();
  const others = await summaryRepositories();
  const tiny = others[0]?.files ?? {};
  const model = (id: string, token?: string) =>
    ({ kind: "models", id, files: tiny, ...(token !== undefined && { token }) }) as const;
  hub = await startHub([
    ...others,
    ...[model("me/private", "hf_good"), model("me/stalled"), model("me/later")],
    { kind: "models", id: "me/sharded", licence: "apache-2.0", files: shards },
  ]);
  host = new URL(hub.url).host;
  app = await openApp("", { reducedMotion: "reduce" });
  app.context.on("requestfailed", (request) => {
    // A page that is left gives up its own icon.
    if (!request.url().startsWith(app.url)) failed.push(request.url());
  });
  await app.page.evaluate((address) => localStorage.setItem("aligntune.hub", address), hub.url);
  await app.page.goto(`${app.url}#/new`);
  await app.page.reload();
});
afterAll(async () => {
  await app?.close();
  await hub?.close();
});

const model = () => app.page.locator("#section-model");
const data = () => app.page.locator("#section-data");
const about = (name: string) => app.page.getByRole("region", { name: `About ${name}` });
const start = () =>
  app.page.getByRole("button", { name: /^(Download [\d.]+ [kM]B and start|Start) training$/ });

async function useModel(name: string): Promise<void> {
  await app.page.getByLabel("Or a model of the hub").fill(name);
  await app.page.getByRole("button", { name: "Use this model" }).click();
}

async function useDataset(name: string): Promise<void> {
  await data().getByText("Hub", { exact: true }).click();
  await app.page.getByLabel("Dataset of the hub").fill(name);
  await app.page.getByRole("button", { name: "Use this dataset" }).click();
}

/** What goes wrong with the requests whose path has this in it. */
const breaks = (part: string, fault: Fault, at?: SeenRequest["at"]) => {
  hub.fault = (request) =>
    request.path.includes(part) && (at === undefined || request.at === at) ? fault : undefined;
};

const rangeOf = (request: SeenRequest | undefined): readonly number[] =>
  (request?.range?.match(/\d+/g) ?? []).map(Number);

/** The card that says what went wrong; then the fault passes, and the next try works. */
async function retried(where: Locator, title: string | RegExp): Promise<void> {
  await where.getByRole("heading", { name: title }).waitFor(WAIT);
  hub.fault = undefined;
  await where.getByRole("button", { name: "Retry" }).click();
  await where.getByRole("heading", { name: title }).waitFor({ state: "detached", ...WAIT });
}

/** The files of the adapter that a run ended with, by their names. */
async function trained(): Promise<Record<string, Uint8Array>> {
  const { page } = app;
  await page.getByRole("heading", { name: /^Done\. .* in 2 steps/ }).waitFor(WAIT);
  const waiting = page.waitForEvent("download");
  await page
    .getByRole("button", { name: /Download adapter/ })
    .first()
    .click();
  const files = unzipSync(new Uint8Array(await readFile(await (await waiting).path())));
  return Object.fromEntries(
    Object.entries(files).map(([name, bytes]) => [name.split("/").at(-1) ?? name, bytes]),
  );
}

describe("what goes wrong with a hub is said where it matters, and the next try works, when", () => {
  it("a model is private, or is not there", async () => {
    await useModel(`${hub.url}/me/private`);
    await model().getByRole("heading", { name: "This repository is private, or not there" }).waitFor(WAIT);
    await model().getByRole("button", { name: "Get access…" }).click();
    await app.page.getByRole("dialog", { name: "Access to me/private" }).waitFor();
    await app.page.keyboard.press("Escape");
    await useModel("Qwen/nothing-by-this-name");
    await model().getByRole("heading", { name: "This repository is private, or not there" }).waitFor(WAIT);
    hub.fault = ({ path }) => (path.includes("nowhere") ? { status: 404 } : undefined);
    await useModel("Qwen/nowhere");
    await model()
      .getByRole("heading", { name: `${host} does not have this name` })
      .waitFor(WAIT);
  });

  it("the hub refuses without a reason", async () => {
    breaks("me/later", { status: 403 });
    await useModel("me/later");
    await model()
      .getByRole("heading", { name: `${host} refuses this` })
      .waitFor(WAIT);
  });

  it("the hub is asked too often: it says when it may be asked again", async () => {
    breaks("Qwen3-0.6B", { status: 429, headers: LATER });
    await app.page.clock.install();
    await useModel("Qwen/Qwen3-0.6B");
    await model().getByRole("heading", { name: "Too many requests just now" }).waitFor(WAIT);
    expect(
      await model()
        .getByRole("button", { name: /^Retry in 1[01] s$/ })
        .isDisabled(),
    ).toBe(true);
    await app.page.clock.fastForward(11_000);
    await retried(model(), "Too many requests just now");
    await about("Qwen/Qwen3-0.6B").getByText("Open to everyone").waitFor(WAIT);
  });

  it("an answer does not come: the page works meanwhile", async () => {
    breaks("me/stalled", "stalled", "hub");
    await useModel("me/stalled");
    await about("me/stalled").getByText(`Asking ${host} about me/stalled…`).waitFor(WAIT);
  });

  it("the hub fails, and a description breaks off", async () => {
    hub.fault = ({ path }) => {
      if (path.includes("/api/models")) return { status: 500 };
      return path.includes("README.md") ? "short" : undefined;
    };
    await useModel(`${hub.url}/me/sharded/tree/main`);
    await useDataset(`${hub.url}/datasets/openai/gsm8k`);
    await data()
      .getByRole("heading", { name: `${host} did not answer` })
      .waitFor(WAIT);
    await retried(model(), `${host} could not send this`);
    const facts = about("me/sharded");
    await facts.getByText("Open to everyone").waitFor(WAIT);
    await facts.getByText("Apache 2.0").waitFor();
    await data().getByLabel("Subset").selectOption("main", WAIT);
    await data()
      .getByText(/12 rows: /)
      .waitFor(WAIT);
  });

  it("rows come with another content", async () => {
    hub.fault = ({ at }) => (at === "storage" ? "changed" : undefined);
    await data().getByLabel("Subset").selectOption("socratic");
    await data()
      .getByText(/arrived with another content/)
      .first()
      .waitFor(WAIT);
    await retried(data(), "A file cannot be read");
    await data()
      .getByText(/12 rows: /)
      .waitFor(WAIT);
  });
});

describe("a model and data of a hub", () => {
  let first: Record<string, Uint8Array> = {};

  it("train although the download breaks off: Retry fetches what is missing", async () => {
    const { page } = app;
    const settings = { max_steps: "2", batch_size: "2", max_seq_length: "64" };
    for (const [key, value] of Object.entries(settings)) await page.locator(`#setting-${key}`).fill(value);
    const shard = shards["model-00002-of-00002.safetensors"] ?? new Uint8Array();
    const shardPath = `/${digest("sha1", shard)}`;
    let isBroken = false;
    hub.seen.length = 0;
    hub.fault = ({ path, at }) => {
      if (isBroken) return at === "hub" ? { status: 503, headers: LATER } : undefined;
      isBroken = path === shardPath;
      return isBroken ? "broken" : undefined;
    };
    await start().click(WAIT);
    await page.getByRole("heading", { name: `${host} could not send this` }).waitFor(WAIT);
    const before = hub.seen.length;
    hub.fault = undefined;
    await page.getByRole("button", { name: "Retry" }).click();
    first = await trained();
    const asset = memoryAsset("adapter", new Uint8Array(first["adapter_model.safetensors"] ?? []));
    // Two layers of seven projections, A and B each.
    const { tensors } = await readSafetensors(asset);
    expect(tensors.size).toBe(28);
    const learned = await tensors
      .get("base_model.model.model.layers.1.mlp.down_proj.lora_B.weight")
      ?.floats();
    expect(learned?.some((value) => value !== 0)).toBe(true);
    const asked = hub.seen.slice(before).filter(({ at }) => at === "storage");
    expect(asked.map(({ path }) => path)).toEqual([shardPath]);
    const broken = hub.seen.slice(0, before).findLast(({ path }) => path === shardPath);
    const [from, to] = rangeOf(asked[0]);
    expect(from).toBeGreaterThan((rangeOf(broken)[0] ?? 0) + 100_000);
    expect(to).toBe(shard.length - 1);
  });

  it("train again with the hub gone and the network off, with no request, to the same bytes", async () => {
    const { page, context } = app;
    await waitUntilOffline(page);
    await hub.close();
    await context.setOffline(true);
    failed.length = 0;
    await page.goto(`${app.url}#/new`);
    await page.reload();
    await about("me/sharded")
      .getByText(/on this device/)
      .waitFor(WAIT);
    await data()
      .getByText(/12 rows: /)
      .waitFor(WAIT);
    await page.getByRole("button", { name: "Start training", exact: true }).click(WAIT);
    const second = await trained();
    expect(second["adapter_model.safetensors"]).toEqual(first["adapter_model.safetensors"]);
    expect(failed).toEqual([]);
  });

  it("are what works then; others are said to be out of reach", async () => {
    await app.page.goto(`${app.url}#/new`);
    await useModel("me/later");
    await model()
      .getByRole("heading", { name: `${host} did not answer` })
      .waitFor(WAIT);
    expect(failed.every((url) => url.startsWith(`${hub.url}/api/models/me/later`))).toBe(true);
    expect(failed).not.toEqual([]);
    await useModel("me/sharded");
    await about("me/sharded")
      .getByText(/on this device/)
      .waitFor(WAIT);
    expect(app.violations).toEqual([]);
    const told = app.errors.filter((text) => !/status of \d+|ERR_|net::/.test(text));
    expect(told).toEqual([]);
  });
});
