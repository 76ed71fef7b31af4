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
