import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { readByteRange } from "../../src/lib/byte_range.ts";

type Files = Readonly<Record<string, Uint8Array>>;

/** A repository as the hub of the tests has it. */
export interface TestRepository {
  readonly kind: "models" | "datasets";
  readonly id: string;
  /** Older names, which are redirected. */
  readonly aliases?: readonly string[];
  readonly files: Files;
  /** Branches and tags beside main. */
  readonly revisions?: Readonly<Record<string, Files>>;
  /** Open only to this token. */
  readonly token?: string;
  readonly gated?: boolean;
  /** The hub's own conversion to Parquet. */
  readonly converted?: Readonly<Record<string, Readonly<Record<string, readonly Uint8Array[]>>>>;
}

export interface SeenRequest {
  readonly path: string;
  /** The hub itself, or the storage that it redirects large files to, which is another origin. */
  readonly at: "hub" | "storage";
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

/** What goes wrong with a request. */
export type Fault =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  /** The connection breaks off in the middle. */
  | "broken"
  /** A whole answer that is shorter than the file. */
  | "short"
  /** A page of HTML, as a network asks people to log in with. */
  | "page";

export interface TestHub {
  readonly url: string;
  readonly seen: SeenRequest[];
  fault: ((request: SeenRequest) => Fault | undefined) | undefined;
  close(): Promise<void>;
}

/**
 * What the real hub and its storage say to pages of other sites. Neither answers the question that a browser asks before a
 * request that is not a simple one, so none may be needed.
 */
const FOR_PAGES: Readonly<Record<SeenRequest["at"], Readonly<Record<string, string>>>> = {
  hub: {
    "access-control-allow-origin": "*",
    "access-control-expose-headers":
      "X-Repo-Commit,X-Request-Id,X-Error-Code,X-Error-Message,ETag,Link,Accept-Ranges,Content-Range",
  },
  storage: {
    "access-control-allow-origin": "*",
    "access-control-expose-headers":
      "Accept-Ranges, Content-Range, Content-Type, Content-Disposition, ETag, X-Cache",
  },
};

const LARGE = /\.(safetensors|parquet)$/;
const sha = (...parts: readonly (string | Uint8Array)[]): string => {
  const hash = createHash("sha1");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
};
const commitOf = (files: Files): string => sha(...Object.entries(files).flat());

/** A hub on this machine: listings, files with ranges, ETags and redirects to a storage of another origin, and faults. */
export async function startHub(repositories: readonly TestRepository[]): Promise<TestHub> {
  const seen: SeenRequest[] = [];
  const state: { fault: TestHub["fault"] } = { fault: undefined };
  const stored = new Map<string, Uint8Array>();
  const listen = (at: SeenRequest["at"], answer: (request: Asked, response: ServerResponse) => void) =>
    serve((message, response) => {
      const request = {
        path: decodeURIComponent(message.url ?? "/"),
        at,
        range: message.headers.range,
        authorization: message.headers.authorization,
      };
      seen.push(request);
      for (const [name, value] of Object.entries(FOR_PAGES[at])) response.setHeader(name, value);
      if (message.method !== "GET") return void response.writeHead(405).end();
      const fault = state.fault?.(request);
      if (fault === "page")
        response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><p>Log in");
      else if (typeof fault === "object") response.writeHead(fault.status, fault.headers).end("{}");
      else answer({ ...request, fault }, response);
    });
  const storage = await listen("storage", (request, response) => {
    const bytes = stored.get(request.path.slice(1));
    if (bytes === undefined) response.writeHead(404).end();
    else sendFile(request, response, bytes);
  });
  const hub = await listen("hub", (request, response) => {
    const keep = (bytes: Uint8Array) => {
      const key = sha(bytes);
      stored.set(key, bytes);
      return `${storage.url}/${key}`;
    };
    answerHub(repositories, request, response, keep);
  });
  return {
    url: hub.url,
    seen,
    get fault() {
      return state.fault;
    },
    set fault(fault) {
      state.fault = fault;
    },
    close: async () => {
      await Promise.all([hub.close(), storage.close()]);
    },
  };
}

interface Asked extends SeenRequest {
  readonly fault: "broken" | "short" | undefined;
}

/** Puts bytes into the storage, and says where. */
type Keep = (bytes: Uint8Array) => string;

type Refuse = (status: number, code: string) => unknown;

function answerHub(
  repositories: readonly TestRepository[],
  request: Asked,
  response: ServerResponse,
  keep: Keep,
): void {
  const refuse: Refuse = (status, code) => response.writeHead(status, { "x-error-code": code }).end();
  const asked = readPath(request.path.split("?")[0] ?? "");
  const repository = repositories.find(
    ({ kind, id, aliases = [] }) => asked?.kind === kind && [id, ...aliases].includes(asked.id),
  );
  // As the hub does: who may not see a repository is not told whether there is one.
  if (!asked || !repository) refuse(request.authorization ? 404 : 401, "RepoNotFound");
  else if (repository.token !== undefined && request.authorization !== `Bearer ${repository.token}`) {
    refuse(request.authorization ? 403 : 401, repository.gated ? "GatedRepo" : "RepoNotFound");
  } else if (repository.id !== asked.id) {
    const location = request.path.replace(`/${asked.id}`, `/${repository.id}`);
    response.writeHead(307, { location }).end();
  } else if (asked.what === "parquet") sendConverted(repository, asked.rest, refuse, response, keep);
  else sendOf(repository, asked, request, refuse, response, keep);
}

function sendOf(
  repository: TestRepository,
  asked: Path,
  request: Asked,
  refuse: Refuse,
  response: ServerResponse,
  keep: Keep,
): void {
  const files = revisionOf(repository, asked.revision);
  if (files === undefined) return void refuse(404, "RevisionNotFound");
  if (asked.what === "info") {
    const siblings = Object.entries(files).map(([rfilename, bytes]) => ({ rfilename, size: bytes.length }));
    return void sendJson(response, { id: repository.id, sha: commitOf(files), siblings });
  }
  const bytes = files[asked.rest];
  if (bytes === undefined) refuse(404, "EntryNotFound");
  else if (LARGE.test(asked.rest)) response.writeHead(302, { location: keep(bytes) }).end();
  else sendFile(request, response, bytes);
}

function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
}

function revisionOf({ files, revisions = {} }: TestRepository, revision: string): Files | undefined {
  if (revision === "main") return files;
  const all = [files, ...Object.values(revisions)];
  return revisions[revision] ?? all.find((some) => commitOf(some) === revision);
}

interface Path {
  readonly kind: TestRepository["kind"];
  readonly id: string;
  readonly what: "info" | "file" | "parquet";
  readonly revision: string;
  readonly rest: string;
}

function readPath(path: string): Path | undefined {
  const api = /^\/api\/(models|datasets)\/(.+?)(?:\/revision\/(.+)|\/(parquet)(?:\/(.*))?)?$/.exec(path);
  if (api) {
    const [, kind, id = "", revision = "main", parquet, rest = ""] = api;
    const what = parquet ? "parquet" : "info";
    return { kind: kind === "models" ? "models" : "datasets", id, what, revision, rest };
  }
  const file = /^\/(datasets\/)?(.+?)\/resolve\/([^/]+)\/(.+)$/.exec(path);
  if (!file) return undefined;
  const [, datasets, id = "", revision = "", rest = ""] = file;
  return { kind: datasets ? "datasets" : "models", id, what: "file", revision, rest };
}

/** The listing of the conversion, whose addresses name the real hub as they do on a mirror; or one of its files. */
function sendConverted(
  { id, converted = {} }: TestRepository,
  rest: string,
  refuse: Refuse,
  response: ServerResponse,
  keep: Keep,
): void {
  if (Object.keys(converted).length === 0) return void refuse(404, "ResponseNotFound");
  const [subset = "", split = "", name = ""] = rest.split("/");
  const bytes = converted[subset]?.[split]?.[Number.parseInt(name, 10)];
  if (bytes !== undefined) return void response.writeHead(302, { location: keep(bytes) }).end();
  if (rest !== "") return void refuse(404, "EntryNotFound");
  const addressOf = (subset: string, split: string, i: number) =>
    `https://huggingface.co/api/datasets/${id}/parquet/${subset}/${split}/${i}.parquet`;
  const listed = Object.entries(converted).map(([subset, splits]) => [
    subset,
    Object.fromEntries(
      Object.entries(splits).map(([split, files]) => [
        split,
        files.map((_, i) => addressOf(subset, split, i)),
      ]),
    ),
  ]);
  sendJson(response, Object.fromEntries(listed));
}

function sendFile(request: Asked, response: ServerResponse, bytes: Uint8Array): void {
  const range = readByteRange(request.range ?? null, bytes.length);
  const etag = `"${sha(bytes)}"`;
  if (range === "unsatisfiable") {
    response.writeHead(416, { "content-range": `bytes */${bytes.length}`, etag }).end();
    return;
  }
  const { first, last } = range ?? { first: 0, last: bytes.length - 1 };
  const body = bytes.subarray(first, last + 1);
  const size = { "content-range": `bytes ${first}-${last}/${bytes.length}` };
  if (request.fault === "short") {
    response.writeHead(206, { ...size, etag }).end(body.subarray(0, body.length >> 1));
    return;
  }
  const headers = { ...(range ? size : {}), "content-length": body.length, "accept-ranges": "bytes", etag };
  response.writeHead(range ? 206 : 200, headers);
  if (request.fault === "broken")
    response.write(body.subarray(0, body.length >> 1), () => response.destroy());
  else response.end(body);
}

interface Listening {
  readonly url: string;
  close(): Promise<void>;
}

async function serve(
  answer: (message: IncomingMessage, response: ServerResponse) => void,
): Promise<Listening> {
  const server: Server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
