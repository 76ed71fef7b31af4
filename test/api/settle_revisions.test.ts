import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { settleRevisions, withRevisionsOf } from "../../src/api/settle_revisions.ts";
import { resolveOrThrow } from "../../src/config/resolve.ts";
import { createHub } from "../../src/host/hub.ts";
import { createNodeHost } from "../../src/host/node.ts";
import { nodeHubStore } from "../../src/host/node_hub_cache.ts";
import { assetText } from "../../src/host/text.ts";
import type { TestRepository } from "../hub/answers.ts";
import { startHub, type TestHub } from "../hub/server.ts";

const text = (value: string) => new TextEncoder().encode(value);
const at = (version: string): TestRepository => ({
  ...{
    kind: "models",
    id: "me/model",
    files: { "config.json": text(version), "model.safetensors": text(version) },
  },
});
const repositories: TestRepository[] = [
  { ...at("one"), revisions: { dev: { "config.json": text("dev") } } },
  { kind: "models", id: "me/adapter", files: { "adapter_config.json": text("{}") } },
];

let hub: TestHub;
let dir = "";
beforeAll(async () => {
  hub = await startHub(repositories);
  dir = await mkdtemp(join(tmpdir(), "revisions-"));
});
afterAll(async () => {
  await hub.close();
  await rm(dir, { recursive: true });
});

const configOf = (values: Record<string, unknown>) =>
  resolveOrThrow({ override: { values: { algorithm: "sft", dataset_name: "ahoy", ...values } } as never })
    .config;

function opened(cache = "hub") {
  return createNodeHost({
    ...{ publicDir: dir, runDir: () => dir, hubCache: join(dir, cache) },
    hub: { endpoint: hub.url, retryDelays: [] },
  });
}

it("a run on a branch of a hub keeps to the commit that it began with", async () => {
  const host = opened();
  const given = configOf({ model_name: "me/model", adapter_name_or_path: "me/adapter" });
  const config = await settleRevisions(host, given);
  expect(config).toMatchObject({
    model_name: "me/model",
    model_revision: expect.stringMatching(/^[0-9a-f]{40}$/),
    adapter_name_or_path: expect.stringMatching(/^me\/adapter@[0-9a-f]{40}$/),
  });
  expect(await settleRevisions(host, config)).toEqual(config);
  await expect((await host.openAdapter(String(config.adapter_name_or_path))).list()).resolves.toHaveLength(1);
  const dev = await settleRevisions(host, configOf({ model_name: "me/model@dev" }));
  expect(dev.model_name).toBe("me/model");
  expect(dev.model_revision).not.toBe(config.model_revision);

  // The branch moves on, and is looked up again; the hub still has the first commit.
  repositories[0] = { ...at("two"), revisions: { old: at("one").files } };
  const connected = createHub({ endpoint: hub.url }, nodeHubStore(join(dir, "hub")));
  await connected.lookUp("models", "me/model", null, true);
  const read = async (from: ReturnType<typeof opened>, revision: string | null) => {
    const file = await (await from.openModel("me/model", revision)).open("config.json");
    return file && assetText(file);
  };
  expect(await read(opened(), null)).toBe("two");
  expect(await read(opened(), config.model_revision)).toBe("one");
  expect(await read(opened("empty"), config.model_revision)).toBe("one");

  // Where neither has it, nothing else is taken for it.
  repositories[0] = at("two");
  await expect(read(opened("another"), config.model_revision)).rejects.toMatchObject({
    code: "file-missing",
    message: expect.stringContaining(`at the revision ${config.model_revision}`),
  });
});

it("a run that goes on has its own commits, unless it is told others", () => {
  const named = { model_name: "me/model", adapter_name_or_path: "me/adapter" };
  const saved = { ...configOf(named), model_revision: "abc", adapter_name_or_path: "me/adapter@def" };
  const again = withRevisionsOf(saved, configOf({ ...named, seed: 7 }));
  expect(again).toMatchObject({ seed: 7, model_revision: "abc", adapter_name_or_path: "me/adapter@def" });
  const other = { model_name: "me/model", model_revision: "v2", adapter_name_or_path: "./adapter" };
  expect(withRevisionsOf(saved, configOf(other))).toMatchObject(other);
  expect(withRevisionsOf(saved, configOf({ model_name: "me/other" })).model_revision).toBeNull();
});
