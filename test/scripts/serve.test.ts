import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SECURITY_HEADERS } from "../../scripts/security_headers.mjs";
import { type Server, serve } from "../../scripts/serve.mjs";

let folder: string;
let server: Server;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "serve-"));
  mkdirSync(join(folder, "app"));
  writeFileSync(join(folder, "secret.txt"), "secret");
  writeFileSync(join(folder, "app/index.html"), "<!doctype html><title>x</title>");
  writeFileSync(join(folder, "app/ten.bin"), "0123456789");
  writeFileSync(join(folder, "app/empty.txt"), "");
  writeFileSync(join(folder, "app/.hidden"), "hidden");
  writeFileSync(join(folder, "app/two words.js"), "1");
  symlinkSync(join(folder, "secret.txt"), join(folder, "app/link.txt"));
  server = await serve(join(folder, "app"));
});

afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

/** Sends the path as it is written; fetch would resolve `..` before it leaves. */
function statusOf(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(server.url);
    get({ hostname, port, path }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    }).on("error", reject);
  });
}

describe("what it serves", () => {
  it.each([
    ["", "text/html; charset=utf-8"],
    ["two%20words.js?x=1", "text/javascript; charset=utf-8"],
    ["ten.bin", "application/octet-stream"],
    ["empty.txt", "text/plain; charset=utf-8"],
  ])("%j as %s", async (path, type) => {
    const response = await fetch(server.url + path);
    expect([response.status, response.headers.get("content-type")]).toEqual([200, type]);
  });

  it.each(["", "missing", "ten.bin"])("%j with every security header", async (path) => {
    const { headers } = await fetch(server.url + path);
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) expect(headers.get(name)).toBe(value);
  });

  it.each([
    "/../secret.txt",
    "/%2e%2e/secret.txt",
    "/..%2fsecret.txt",
    "/..%5csecret.txt",
    "//../secret.txt",
    "/link.txt",
    "/.hidden",
    "/%00",
    "/%",
    "/index.html/",
    "/nowhere/",
  ])("nothing for %s", async (path) => {
    expect(await statusOf(path)).toBe(404);
  });

  it("no other method than GET and HEAD", async () => {
    expect((await fetch(server.url, { method: "POST", body: "x" })).status).toBe(405);
  });
});

describe("ranges", () => {
  it.each([
    ["bytes=2-4", 206, "234", "bytes 2-4/10"],
    ["bytes=7-", 206, "789", "bytes 7-9/10"],
    ["bytes=-3", 206, "789", "bytes 7-9/10"],
    ["bytes=-30", 206, "0123456789", "bytes 0-9/10"],
    ["bytes=8-100", 206, "89", "bytes 8-9/10"],
    ["bytes=10-", 416, "", "bytes */10"],
    ["bytes=-0", 416, "", "bytes */10"],
    ["bytes=4-2", 200, "0123456789", null],
    ["bytes=0-1,4-5", 200, "0123456789", null],
    ["items=0-1", 200, "0123456789", null],
  ])("%s", async (range, status, body, contentRange) => {
    const response = await fetch(`${server.url}ten.bin`, { headers: { range } });
    expect([response.status, await response.text(), response.headers.get("content-range")]).toEqual([
      status,
      body,
      contentRange,
    ]);
  });

  it("answers a range of another version of the file with the whole file", async () => {
    const response = await fetch(`${server.url}ten.bin`, {
      headers: { range: "bytes=2-4", "if-range": '"old"' },
    });
    expect([response.status, await response.text()]).toEqual([200, "0123456789"]);
  });
});

describe("copies that the browser has", () => {
  it("is told 304 by tag and by date", async () => {
    const first = await fetch(`${server.url}ten.bin`);
    const etag = first.headers.get("etag") ?? "";
    const date = first.headers.get("last-modified") ?? "";
    expect((await fetch(`${server.url}ten.bin`, { headers: { "if-none-match": etag } })).status).toBe(304);
    expect((await fetch(`${server.url}ten.bin`, { headers: { "if-modified-since": date } })).status).toBe(
      304,
    );
    const other = { "if-none-match": '"other"', "if-modified-since": date };
    expect((await fetch(`${server.url}ten.bin`, { headers: other })).status).toBe(200);
  });
});

it("takes the next port when one is taken", async () => {
  const port = Number(new URL(server.url).port);
  const next = await serve(join(folder, "app"), port, 20);
  expect(Number(new URL(next.url).port)).toBeGreaterThan(port);
  await next.close();
});
