import { AppError } from "./errors.ts";

/** Names and addresses of the Hugging Face hub, for the page as well as for the hosts. */

/** Where the hub answers when nothing else is said. */
export const HUB_ENDPOINT = "https://huggingface.co";

export interface RepositoryId {
  readonly id: string;
  readonly revision: string | undefined;
}

/** `owner/name` or `name`, perhaps with `@revision`; undefined for what can only be a path. */
export function hubId(name: string): RepositoryId | undefined {
  const [, id, revision] = /^((?:[\w-][\w.-]*\/)?[\w-][\w.-]*)(?:@([\w-][\w./-]*))?$/.exec(name) ?? [];
  const isFile = /\.(jsonl?|ndjson|csv|tsv|tab|txt|text|md|parquet|ya?ml|safetensors)$/i.test(id ?? "");
  return id === undefined || isFile || id.includes("..") ? undefined : { id, revision };
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
