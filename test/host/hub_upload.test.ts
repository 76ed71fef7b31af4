import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  type UploadOptions,
  type UploadProgress,
  uploadFileOf,
  uploadToHub,
} from "../../src/host/hub_upload.ts";
import { memoryAsset } from "../../src/host/memory.ts";
import { uploadTarget } from "../../src/lib/hub.ts";
import { serveUploads, type TestUploads, TOKEN } from "../hub/uploads.ts";

let hub: TestUploads;
beforeAll(async () => {
  hub = await serveUploads();
});
afterAll(() => hub.close());
beforeEach(() => {
  hub.refuse = undefined;
  hub.seen.length = 0;
});

const weights = Uint8Array.from({ length: 70_000 }, (_, i) => i % 251);

async function upload(repo: string, changes: Partial<UploadOptions> = {}) {
  const files = [
    memoryAsset("README.md", new TextEncoder().encode("# ahoy é\n")),
    memoryAsset("adapter_model.safetensors", weights),
  ];
  return uploadToHub({
    ...{ endpoint: hub.url, token: TOKEN, repo, isPublic: false, intoExisting: false },
    files: await Promise.all(files.map(uploadFileOf)),
    ...changes,
  });
}

describe("an upload to the hub", () => {
  it("makes a private repository with every byte of every file, and says how far it is", async () => {
    const told: UploadProgress[] = [];
    const result = await upload("ada/otter", { onProgress: (progress) => told.push(progress) });
    expect(result).toEqual({ url: `${hub.url}/ada/otter`, repo: "ada/otter" });
    const made = hub.repositories.get("ada/otter");
    expect(made?.isPrivate).toBe(true);
    expect(made?.files.get("README.md")?.toString()).toBe("# ahoy é\n");
    expect(Buffer.compare(made?.files.get("adapter_model.safetensors") ?? Buffer.alloc(0), weights)).toBe(0);
    expect(told.map(({ state }) => state)).toEqual(
      expect.arrayContaining(["hashing", "uploading", "committing"]),
    );
    expect(told.at(-1)).toMatchObject({ done: expect.any(Number), total: weights.length + 10 });
    expect(told.filter(({ file }) => file === "adapter_model.safetensors").at(-1)?.done).toBe(weights.length);
  });

  it("sends the token to the hub alone: not to the storage, nor to anybody else", async () => {
    await upload("ada/alone");
    const storage = hub.seen.filter(({ at }) => at === "storage");
    expect(storage.map(({ method, authorization }) => [method, authorization])).toEqual([["PUT", undefined]]);
    expect(
      hub.seen.every(({ at, authorization }) => at === "storage" || authorization === `Bearer ${TOKEN}`),
    ).toBe(true);
  });

  it("puts a name alone under the account of the token, and makes it public when that is asked", async () => {
    expect(await upload("heron", { isPublic: true })).toMatchObject({ repo: "ada/heron" });
    expect(hub.repositories.get("ada/heron")?.isPrivate).toBe(false);
  });

  it("adds to a repository that is there only when that is asked", async () => {
    await upload("ada/lynx");
    await expect(upload("ada/lynx")).rejects.toThrow("ada/lynx is there already");
    await expect(upload("ada/lynx", { intoExisting: true })).resolves.toMatchObject({ repo: "ada/lynx" });
  });

  it.each([
    [401, "access-denied", "does not accept the token"],
    [403, "access-denied", "may not write to"],
    [413, "file-invalid", "no room left"],
    [429, "network", "no more requests"],
    [500, "network", "refused the upload (500): because the test says so"],
  ])(
    "says in words what status %i of the commit means, and what is left behind",
    async (status, code, words) => {
      hub.refuse = ({ path }) => (path.endsWith("/commit/main") ? status : undefined);
      const failed = upload(`ada/refused-${status}`);
      await expect(failed).rejects.toMatchObject({ code });
      await expect(failed).rejects.toThrow(words);
      await expect(failed).rejects.toThrow(`ada/refused-${status} was made and is empty`);
    },
  );

  it.each([["b/../c"], ["ada/two--dashes"], ["ada/.hidden"], ["ada/x.git"], ["a b/c"], ["ada/"]])(
    "asks nothing for a name that cannot be: %s",
    async (repo) => {
      await expect(upload(repo)).rejects.toMatchObject({ code: "config-invalid" });
      expect(hub.seen).toEqual([]);
    },
  );

  it("asks nothing without a token that is one, and of no address that may not have it", async () => {
    for (const token of ["", "abc", "hf_", "hf_a b"])
      await expect(upload("ada/fox", { token })).rejects.toMatchObject({ code: "config-invalid" });
    expect(hub.seen).toEqual([]);
    for (const endpoint of [
      "https://hf-mirror.com",
      "https://cdn.hf-mirror.com/",
      "http://example.org",
      "ftp://a",
      "x",
    ])
      expect(() => uploadTarget(endpoint)).toThrow("gets no token");
    expect(uploadTarget("https://huggingface.co/")).toBe("https://huggingface.co");
    expect(uploadTarget("https://hub.example.org/base")).toBe("https://hub.example.org/base");
  });

  it("never follows a redirect with the token", async () => {
    hub.refuse = undefined;
    const { createServer } = await import("node:http");
    const other = createServer((_, response) =>
      response.writeHead(307, { location: `${hub.url}/api/repos/create` }).end(),
    );
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const address = other.address();
    const port = typeof address === "object" ? address?.port : undefined;
    await expect(upload("ada/seal", { endpoint: `http://127.0.0.1:${port}` })).rejects.toMatchObject({
      code: "network",
    });
    expect(hub.seen).toEqual([]);
    other.close();
  });
});
