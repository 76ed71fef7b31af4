import { AppError } from "../lib/errors.ts";
import { hubId, isCommit, isPath } from "../lib/hub.ts";
import { ask, type Connection } from "./hub_connection.ts";
import type { Subject } from "./hub_errors.ts";
import {
  type FileHash,
  type Repository,
  type RepositoryFile,
  type RepositoryKind,
  repositoryKey,
} from "./hub_store.ts";

/** What messages call a repository, and where people see it. */
export function subjectOf({ base }: Connection, kind: RepositoryKind, id: string): Subject {
  const place = kind === "datasets" ? `datasets/${id}` : id;
  return {
    what: `the ${kind === "models" ? "model" : "dataset"} ${id}`,
    id,
    page: new URL(place, base).href,
  };
}

/**
 * Asks the hub which commit a revision is, and what lies in it. Undefined when there is no such repository or revision.
 * Throws `access-denied`, `network`.
 */
export async function fetchListing(
  connection: Connection,
  kind: RepositoryKind,
  id: string,
  revision: string | null,
): Promise<Repository | undefined> {
  const at = revision === null ? "" : `/revision/${encodeURIComponent(revision)}`;
  const path = `api/${kind}/${id}${at}?blobs=true`;
  const info = await ask(connection, path, subjectOf(connection, kind, id));
  return info === undefined ? undefined : readInfo(connection, kind, id, info);
}

interface Info {
  readonly id?: unknown;
  readonly sha?: unknown;
  readonly siblings?: readonly Sibling[];
  readonly gated?: unknown;
  readonly private?: unknown;
  readonly tags?: unknown;
  readonly cardData?: { readonly license?: unknown } | null;
  readonly safetensors?: { readonly total?: unknown } | null;
}

interface Sibling {
  readonly rfilename?: unknown;
  readonly size?: unknown;
  readonly blobId?: unknown;
  readonly lfs?: { readonly sha256?: unknown; readonly size?: unknown } | null;
}

function readInfo(
  { base, endpoint }: Connection,
  kind: RepositoryKind,
  asked: string,
  answer: unknown,
): Repository {
  const info = (typeof answer === "object" && answer !== null ? answer : {}) as Info;
  const { id, sha, siblings } = info;
  if (typeof sha !== "string" || !isCommit(sha) || !Array.isArray(siblings)) {
    throw new AppError("network", `${base.host} answered about ${asked} without saying which files it has.`, {
      details: { host: base.host, id: asked },
    });
  }
  const canonical = typeof id === "string" && hubId(id)?.id === id ? id : asked;
  const total = info.safetensors?.total;
  return {
    ...{ key: repositoryKey(endpoint, kind, canonical, sha), endpoint, kind, id: canonical, commit: sha },
    files: siblings.flatMap(readSibling),
    licence: licenceOf(info),
    gated: info.gated === "auto" || info.gated === "manual" ? info.gated : false,
    private: info.private === true,
    parameters: typeof total === "number" && total > 0 ? total : null,
  };
}

function readSibling(sibling: Sibling | null): RepositoryFile[] {
  const { rfilename: path, size, lfs } = sibling ?? {};
  if (typeof path !== "string" || !isPath(path)) return [];
  const bytes = lfs?.size ?? size;
  return [{ path, size: isSize(bytes) ? bytes : null, hash: hashOf(sibling ?? {}) }];
}

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

function hashOf({ blobId, lfs }: Sibling): FileHash | null {
  if (typeof lfs?.sha256 === "string" && /^[0-9a-f]{64}$/.test(lfs.sha256))
    return { kind: "sha256", hex: lfs.sha256 };
  // Of a large file git names the pointer to it, not its content.
  if (!lfs && typeof blobId === "string" && /^[0-9a-f]{40}$/.test(blobId))
    return { kind: "git", hex: blobId };
  return null;
}

function licenceOf({ cardData, tags }: Info): string | null {
  const given: unknown = Array.isArray(cardData?.license) ? cardData.license[0] : cardData?.license;
  if (typeof given === "string" && given !== "") return given;
  const tag = Array.isArray(tags) ? tags.find((tag) => /^license:./.test(String(tag))) : undefined;
  return tag === undefined ? null : String(tag).slice("license:".length);
}
