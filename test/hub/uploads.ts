import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

/** A request as the hub or its storage saw it. */
export interface SeenUpload {
  readonly at: "hub" | "storage";
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
}

export interface TestUploads {
  /** What uploads are addressed to. */
  readonly url: string;
  /** Where large files go: another origin. */
  readonly storage: string;
  readonly seen: SeenUpload[];
  /** By owner/name: whether it is private, and its files after the last commit. */
  readonly repositories: Map<string, { readonly isPrivate: boolean; readonly files: Map<string, Buffer> }>;
  /** Answers this request with a status and a message instead. */
  refuse: ((request: SeenUpload) => number | undefined) | undefined;
  close(): Promise<void>;
}

export const TOKEN = "hf_AbcDefGhi";
const OWNER = "ada";

/**
 * The part of the hub's API that takes uploads: whoami, create, preupload, the LFS batch, a storage on a port of its own, and
 * the commit, as the hub's library speaks it. What a commit names must have been uploaded with the hash that it gives.
 */
export async function serveUploads(): Promise<TestUploads> {
  const stored = new Map<string, Buffer>();
  const state: Omit<TestUploads, "url" | "storage" | "close"> = {
    seen: [],
    repositories: new Map(),
    refuse: undefined,
  };
  const listen = async (at: SeenUpload["at"], answer: Answer) => {
    const server = createServer((request, response) => void handle(at, state, answer, request, response));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    return { url: `http://127.0.0.1:${address.port}`, server };
  };
  const storage = await listen("storage", (request, body) => {
    stored.set(request.path.slice(1), body);
    return {};
  });
  const hub = await listen("hub", (request, body) => answerHub(request, body, state, stored, storage.url));
  return Object.assign(state, {
    url: hub.url,
    storage: storage.url,
    close: async () => {
      for (const { server } of [hub, storage]) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  });
}

type Answer = (request: SeenUpload, body: Buffer) => unknown;

class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const CORS = {
  "access-control-allow-origin": "*",
  "access-control-allow-headers": "authorization,content-type,accept,x-request-id",
  "access-control-allow-methods": "GET,POST,PUT",
};

async function handle(
  at: SeenUpload["at"],
  state: Pick<TestUploads, "seen" | "refuse">,
  answer: Answer,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  if (request.method === "OPTIONS") {
    response.writeHead(204, CORS).end();
    return;
  }
  const { authorization } = request.headers;
  const seen: SeenUpload = { at, method: request.method ?? "", path: request.url ?? "", authorization };
  state.seen.push(seen);
  const send = (status: number, body: unknown) =>
    response.writeHead(status, { ...CORS, "content-type": "application/json" }).end(JSON.stringify(body));
  try {
    const status = state.refuse?.(seen);
    if (status !== undefined) throw new Refusal(status, "because the test says so");
    if (at === "hub" && authorization !== `Bearer ${TOKEN}`) throw new Refusal(401, "Invalid credentials");
    send(200, await answer(seen, Buffer.concat(chunks)));
  } catch (cause) {
    if (cause instanceof Refusal) send(cause.status, { error: cause.message });
    else send(500, { error: String(cause) });
  }
}

function answerHub(
  { path }: SeenUpload,
  body: Buffer,
  { repositories }: Pick<TestUploads, "repositories">,
  stored: Map<string, Buffer>,
  storage: string,
): unknown {
  if (path === "/api/whoami-v2") return { type: "user", name: OWNER, auth: { type: "access_token" } };
  if (path === "/api/repos/create") {
    const { name, organization, visibility, type } = JSON.parse(body.toString());
    const id = `${organization}/${name}`;
    if (type !== "model" || organization !== OWNER) throw new Refusal(403, "You don't have the rights");
    if (repositories.has(id)) throw new Refusal(409, "You already created this model repo");
    repositories.set(id, { isPrivate: visibility === "private", files: new Map() });
    return { url: `${id}`, id };
  }
  const [, id = "", what = ""] = /^\/(?:api\/models\/)?([^/]+\/[^/.]+)(?:\.git)?\/(.+)$/.exec(path) ?? [];
  const repository = repositories.get(id);
  if (!repository) throw new Refusal(404, "Repository not found");
  if (what === "preupload/main") {
    const { files } = JSON.parse(body.toString());
    const mode = (name: string) => (/\.(safetensors|gguf)$/.test(name) ? "lfs" : "regular");
    return {
      files: files.map(({ path: file }: { path: string }) => ({ path: file, uploadMode: mode(file) })),
    };
  }
  if (what === "info/lfs/objects/batch") {
    const { objects, transfers } = JSON.parse(body.toString());
    if (!transfers.includes("basic")) throw new Refusal(400, "only basic transfers");
    const action = (oid: string) => ({ upload: { href: `${storage}/${oid}`, header: {} } });
    return {
      transfer: "basic",
      objects: objects.map(({ oid, size }: { oid: string; size: number }) => ({
        oid,
        size,
        actions: action(oid),
      })),
    };
  }
  if (what === "commit/main") return commit(body, repository.files, stored, id);
  throw new Refusal(404, path);
}

function commit(body: Buffer, files: Map<string, Buffer>, stored: Map<string, Buffer>, id: string): unknown {
  for (const line of body.toString().split("\n")) {
    const { key, value } = JSON.parse(line);
    if (key === "file") files.set(value.path, Buffer.from(value.content, value.encoding));
    if (key !== "lfsFile") continue;
    const bytes = stored.get(value.oid);
    const hash = bytes && createHash("sha256").update(bytes).digest("hex");
    if (!bytes || hash !== value.oid || bytes.length !== value.size)
      throw new Refusal(400, `${value.path} was not uploaded`);
    files.set(value.path, bytes);
  }
  return { commitOid: "abc", commitUrl: `https://hub/${id}/commit/abc`, hookOutput: "" };
}
