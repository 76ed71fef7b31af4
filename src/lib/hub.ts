import { AppError } from "./errors.ts";

/** Names and addresses of the Hugging Face hub, for the page as well as for the hosts. */

/** Where the hub answers when nothing else is said. */
export const HUB_ENDPOINT = "https://huggingface.co";

export interface RepositoryId {
  readonly id: string;
  readonly revision: string | undefined;
}

/** The name of a commit, as it is part of addresses and of paths on a disk. */
export const isCommit = (text: string): boolean => /^[\w-]{1,64}$/.test(text);

/** A path within a repository: none that could lead out of it, or that a disk could not have. */
export const isPath = (path: string): boolean =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is looked for.
  !/[\\\u0000-\u001f\u007f]/.test(path) &&
  path.split("/").every((part) => part !== "" && part !== "." && part !== "..");

/** A branch, tag or commit, as git allows them. */
export const isRevision = (text: string): boolean =>
  isPath(text) && !/^-|\.\.|[\s~^:?*[]|\/\.|\.lock$/.test(text) && text.length <= 200;

/** `owner/name` or `name`, perhaps with `@revision`; undefined for what can only be a path. */
export function hubId(name: string): RepositoryId | undefined {
  const [, id, revision] = /^((?:[\w-][\w.-]*\/)?[\w-][\w.-]*)(?:@([\w-][\w./-]*))?$/.exec(name) ?? [];
  const isFile = /\.(jsonl?|ndjson|csv|tsv|tab|txt|text|md|parquet|ya?ml|safetensors)$/i.test(id ?? "");
  if (id === undefined || isFile || id.includes("..")) return undefined;
  return revision === undefined || isRevision(revision) ? { id, revision } : undefined;
}

/** Hosts that a page may ask without encryption: this machine. The page's policy names the same two. */
const THIS_MACHINE = new Set(["localhost", "127.0.0.1"]);

/** What a person wrote as the hub's address, as the page may use it; undefined when it may not. */
export function hubAddress(text: string): string | undefined {
  let url: URL;
  try {
    url = new URL(text.trim());
  } catch {
    return undefined;
  }
  const { protocol, hostname, username, password, origin, pathname } = url;
  const allowed = protocol === "https:" || (protocol === "http:" && THIS_MACHINE.has(hostname));
  if (!allowed || username !== "" || password !== "") return undefined;
  return `${origin}${pathname.replace(/\/+$/, "")}`;
}

/** Hosts that hand on what the hub has. They are no place for a token that may write. */
const MIRROR = /(^|\.)hf-mirror\.com$/;

/**
 * Where an upload with a token may go: the hub itself, a hub of one's own over https, or this machine. Throws `config-invalid`
 * for anything else, mirrors among it.
 */
export function uploadTarget(endpoint: string): string {
  const address = hubAddress(endpoint);
  if (address !== undefined && !MIRROR.test(new URL(address).hostname)) return address;
  throw new AppError(
    "config-invalid",
    `${endpoint} gets no token: uploads go to ${HUB_ENDPOINT}, to a hub of your own over https, or to this machine.`,
    { details: { key: "endpoint" } },
  );
}

/** A repository of a hub, as people name it. */
export interface HubReference {
  readonly kind: "model" | "dataset";
  readonly id: string;
  readonly revision: string | null;
  /** Of a pasted address; hf.co is huggingface.co. */
  readonly host: string | null;
}

/** Hosts that are known without https:// before them. */
const HOSTS = /^(?:www\.)?(?:huggingface\.co|hf\.co|hf-mirror\.com)$|^(?:localhost|127\.0\.0\.1)(?::\d+)?$/;
/** What follows the id in an address of a hub. */
const PAGES = new Set(["tree", "blob", "resolve", "raw", "blame", "edit", "commit", "commits", "viewer"]);
const OTHER_PAGES = new Set(["discussions", "settings", "activity", "embed"]);
/** First parts of addresses of a hub that are no repository. */
const NOT_IDS = new Set([
  "spaces",
  "docs",
  "models",
  "papers",
  "blog",
  "collections",
  "settings",
  "organizations",
]);

/**
 * What a person typed or pasted: an id, `id@revision`, `datasets/owner/name`, or the address of a repository, of one of its
 * pages or files, at any hub. Undefined for what names no repository, such as a path.
 */
export function hubReference(text: string): HubReference | undefined {
  const plain = text.trim().replace(/^hf:\/\//i, "");
  const address = /^https?:\/\//i.test(plain) ? plain : `https://${plain}`;
  const isAddress = address === plain || HOSTS.test((plain.split("/")[0] ?? "").toLowerCase());
  if (isAddress) return addressReference(address);
  // Nobody on a hub is called datasets or models.
  const [, prefix, name = ""] = /^(datasets\/|models\/)?(.*)$/.exec(plain) ?? [];
  const id = hubId(name);
  const kind = prefix === "datasets/" ? "dataset" : "model";
  return id && { kind, id: id.id, revision: id.revision ?? null, host: null };
}

function addressReference(address: string): HubReference | undefined {
  let parts: string[];
  let host: string;
  try {
    const url = new URL(address);
    host = url.host.replace(/^www\./, "").replace(/^hf\.co$/, "huggingface.co");
    parts = url.pathname
      .split("/")
      .filter((part) => part !== "")
      .map(decodeURIComponent);
  } catch {
    return undefined;
  }
  const isDataset = parts[0] === "datasets";
  if (isDataset) parts.shift();
  const [first = "", second] = parts;
  if (first === "" || NOT_IDS.has(first)) return undefined;
  // Repositories of the first days have no owner.
  const isOwned = second !== undefined && !PAGES.has(second) && !OTHER_PAGES.has(second);
  const [page, ...rest] = parts.slice(isOwned ? 2 : 1);
  const named = hubId(isOwned ? `${first}/${second}` : first);
  if (named === undefined) return undefined;
  const isPage = page !== undefined && PAGES.has(page) && page !== "viewer";
  const revision = named.revision ?? (isPage ? revisionOf(rest) : undefined);
  return { kind: isDataset ? "dataset" : "model", id: named.id, revision: revision ?? null, host };
}

/** Pull requests and conversions are the revisions that have slashes in them. */
const revisionOf = (parts: readonly string[]): string | undefined =>
  parts[0] === "refs" && parts.length >= 3 ? parts.slice(0, 3).join("/") : parts[0];
