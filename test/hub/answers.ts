import { createHash } from "node:crypto";
import type { ServerResponse } from "node:http";
import { type Answered, sendFile } from "./send_file.ts";

/** What a hub says about its repositories, in the form of the real one. */

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
  /** Everybody may see what it is, and those let in read its files. */
  readonly gated?: "auto" | "manual";
  readonly licence?: string;
  readonly parameters?: number;
  /** The hub's own conversion to Parquet, a branch of its own. */
  readonly converted?: Readonly<Record<string, Readonly<Record<string, readonly Uint8Array[]>>>>;
}

/** Large files lie in a storage of another origin, and git has only a pointer to them. */
const LARGE = /\.(safetensors|parquet)$/;
const CONVERTED = "refs/convert/parquet";

export const digest = (kind: "sha1" | "sha256", ...parts: readonly (string | Uint8Array)[]): string => {
  const hash = createHash(kind);
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
};
const commitOf = (files: Files): string => digest("sha1", ...Object.entries(files).flat());
/** git's name of a content. */
const blobOf = (bytes: Uint8Array | string): string => {
  const { length } = Buffer.from(bytes);
  return digest("sha1", `blob ${length}\0`, bytes);
};
const pointerOf = (bytes: Uint8Array): string =>
  `version https://git-lfs.github.com/spec/v1\noid sha256:${digest("sha256", bytes)}\nsize ${bytes.length}\n`;

/** Puts bytes into the storage, and says where. */
export type Keep = (bytes: Uint8Array) => string;

/** Whose the tokens are. */
export type Users = Readonly<Record<string, string>>;

export function answerHub(
  repositories: readonly TestRepository[],
  users: Users,
  request: Answered,
  response: ServerResponse,
  keep: Keep,
): void {
  const path = request.path.split("?")[0] ?? "";
  const asked = readPath(path);
  const repository = repositories.find(
    ({ kind, id, aliases = [] }) => asked?.kind === kind && [id, ...aliases].includes(asked.id),
  );
  // As the hub does: who may not see a repository is not told whether there is one.
  if (path === "/api/whoami-v2") sendUser(users, request, response);
  else if (!asked || !repository) refuse(response, request.authorization ? 404 : 401, "RepoNotFound");
  else if (!mayRead(repository, asked, request)) {
    const code = repository.gated ? "GatedRepo" : "RepoNotFound";
    refuse(response, request.authorization ? 403 : 401, code);
  } else if (repository.id !== asked.id) {
    const location = request.path.replace(`/${asked.id}`, `/${repository.id}`);
    response.writeHead(307, { location }).end();
  } else sendOf(repository, asked, request, response, keep);
}

/** What a gated repository is everybody may know. */
const mayRead = ({ token, gated }: TestRepository, { what }: Path, { authorization }: Answered): boolean =>
  token === undefined || authorization === `Bearer ${token}` || (gated !== undefined && what === "info");

function sendOf(
  repository: TestRepository,
  asked: Path,
  request: Answered,
  response: ServerResponse,
  keep: Keep,
): void {
  const files = revisionOf(repository, asked.revision);
  const bytes = files?.[asked.rest];
  if (files === undefined) refuse(response, 404, "RevisionNotFound");
  else if (asked.what === "info") sendInfo(repository, files, request.path.includes("blobs=true"), response);
  else if (bytes === undefined) refuse(response, 404, "EntryNotFound");
  else if (asked.what === "raw") response.end(LARGE.test(asked.rest) ? pointerOf(bytes) : bytes);
  else {
    response.setHeader("x-repo-commit", commitOf(files));
    sendContent(request, response, bytes, LARGE.test(asked.rest) ? keep : undefined);
  }
}

function sendContent(
  request: Answered,
  response: ServerResponse,
  bytes: Uint8Array,
  keep: Keep | undefined,
): void {
  const linked = { "x-linked-etag": `"${digest("sha256", bytes)}"`, "x-linked-size": bytes.length };
  if (keep) response.writeHead(302, { location: keep(bytes), ...linked }).end();
  else sendFile(request, response, bytes, blobOf(bytes));
}

const refuse = (response: ServerResponse, status: number, code: string): void =>
  void response.writeHead(status, { "x-error-code": code }).end();

function sendUser(users: Users, { authorization = "" }: Answered, response: ServerResponse): void {
  const name = users[authorization.replace(/^Bearer /, "")];
  if (name === undefined) return void response.writeHead(401).end('{"error":"Invalid credentials"}');
  sendJson(response, { type: "user", name });
}

function sendInfo(
  { id, licence, gated, token, parameters }: TestRepository,
  files: Files,
  withBlobs: boolean,
  response: ServerResponse,
): void {
  const siblings = Object.entries(files).map(([rfilename, bytes]) => {
    if (!withBlobs) return { rfilename };
    const pointer = pointerOf(bytes);
    return LARGE.test(rfilename)
      ? {
          ...{ rfilename, size: bytes.length, blobId: blobOf(pointer) },
          lfs: { sha256: digest("sha256", bytes), size: bytes.length, pointerSize: pointer.length },
        }
      : { rfilename, size: bytes.length, blobId: blobOf(bytes) };
  });
  sendJson(response, {
    ...{ id, sha: commitOf(files), siblings, gated: gated ?? false },
    private: token !== undefined && gated === undefined,
    ...(licence !== undefined && { cardData: { license: licence } }),
    ...(parameters !== undefined && { safetensors: { parameters: { BF16: parameters }, total: parameters } }),
  });
}

function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
}

function revisionOf(repository: TestRepository, revision: string): Files | undefined {
  const { files, revisions = {} } = repository;
  const converted = convertedFiles(repository);
  if (revision === "main") return files;
  const all = [files, ...Object.values(revisions), converted ?? {}];
  const named = revision === CONVERTED ? converted : revisions[revision];
  return named ?? all.find((some) => commitOf(some) === revision);
}

function convertedFiles({ converted }: TestRepository): Files | undefined {
  if (converted === undefined) return undefined;
  const named = Object.entries(converted).flatMap(([subset, splits]) =>
    Object.entries(splits).flatMap(([split, files]) =>
      files.map((bytes, i) => [`${subset}/${split}/${String(i).padStart(4, "0")}.parquet`, bytes] as const),
    ),
  );
  return Object.fromEntries(named);
}

interface Path {
  readonly kind: TestRepository["kind"];
  readonly id: string;
  readonly what: "info" | "file" | "raw";
  readonly revision: string;
  readonly rest: string;
}

function readPath(path: string): Path | undefined {
  const api = /^\/api\/(models|datasets)\/(.+?)(?:\/revision\/(.+))?$/.exec(path);
  if (api) {
    const [, kind, id = "", revision = "main"] = api;
    return { kind: kind === "models" ? "models" : "datasets", id, what: "info", revision, rest: "" };
  }
  const file = /^\/(datasets\/)?(.+?)\/(resolve|raw)\/([^/]+)\/(.+)$/.exec(path);
  if (!file) return undefined;
  const [, datasets, id = "", what, revision = "", rest = ""] = file;
  return {
    kind: datasets ? "datasets" : "models",
    id,
    what: what === "raw" ? "raw" : "file",
    revision,
    rest,
  };
}
