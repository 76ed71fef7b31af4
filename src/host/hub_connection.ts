import { AppError } from "../lib/errors.ts";
import type { Asset } from "./host.ts";
import { endpointName, refusal, type Subject, unreachable } from "./hub_errors.ts";
import type { Repository } from "./hub_store.ts";
import { openUrl } from "./url_asset.ts";
import type { UrlOptions } from "./web_request.ts";

export interface HubOptions {
  /** HUB_ENDPOINT, or a mirror. */
  readonly endpoint: string;
  /** Sent to the endpoint's origin alone, and only where it is https or this machine: fetch drops it on a redirect to another one. */
  readonly token?: string | undefined;
  readonly retryDelays?: readonly number[];
  /** See UrlOptions. */
  readonly stallAfter?: number;
  /** Where its words are read: a page has no environment, and is told of what it has. */
  readonly inPage?: boolean;
  /** Files of datasets up to this many bytes are kept in memory once they are read; 32 MiB when absent. */
  readonly keepUpTo?: number;
  /** Nothing is asked of it: only what is kept is there. */
  readonly isOffline?: boolean;
  /** How much of a repository is here, while files of it are fetched as a whole. */
  readonly onProgress?: (progress: FileProgress) => void;
  /** What a person should know of where files come from. */
  readonly onNote?: (text: string) => void;
}

export interface FileProgress {
  readonly repository: Repository;
  readonly path: string;
  readonly done: number;
  readonly size: number;
}

/** The hub at one endpoint, asked with one token. */
export interface Connection {
  readonly base: URL;
  readonly endpoint: string;
  readonly keepUpTo: number | undefined;
  readonly settingName: string;
  readonly hasToken: boolean;
  readonly onProgress: (progress: FileProgress) => void;
  readonly onNote: (text: string) => void;
  /** What `openUrl` needs. */
  options(subject: Subject): UrlOptions;
}

/** Whether a secret may be sent there: over https, or to this machine. */
const isPrivate = ({ protocol, hostname }: URL): boolean =>
  protocol === "https:" || hostname === "localhost" || hostname === "127.0.0.1" || hostname === "[::1]";

export function connect(options: HubOptions): Connection {
  const { endpoint, token, retryDelays, stallAfter, inPage = false, keepUpTo } = options;
  const base = new URL(endpoint.endsWith("/") ? endpoint : `${endpoint}/`);
  const hasToken = token !== undefined && isPrivate(base);
  const isWithheld = token !== undefined && !hasToken;
  return {
    ...{
      onProgress: options.onProgress ?? (() => {}),
      onNote: options.onNote ?? (() => {}),
      base,
      endpoint: base.href.replace(/\/$/, ""),
      keepUpTo,
      settingName: endpointName(inPage),
      hasToken,
    },
    options: (subject) => ({
      // Nothing about the page or the person goes along, and the browser keeps no second copy.
      init: { cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer" },
      ...(stallAfter !== undefined && { stallAfter }),
      ...(options.isOffline && { refuse: () => offline(subject) }),
      ...(hasToken && { headers: { authorization: `Bearer ${token}` } }),
      ...(retryDelays && { retryDelays }),
      explain: (url, response, cause) =>
        response === undefined
          ? unreachable(url, { ...subject, inPage, cause })
          : refusal(response, { ...subject, base, hasToken, isWithheld, inPage }),
    }),
  };
}

const offline = ({ what, id, page }: Subject): AppError =>
  new AppError(
    "network",
    `${what} is not kept here, and HF_HUB_OFFLINE says that nothing is to be fetched. Unset it once, with a network, to download it.`,
    { details: { what, id, page, offline: true } },
  );

/** The answer to a question as JSON; undefined when there is nothing. */
export async function ask(
  { base, options, settingName }: Connection,
  path: string,
  subject: Subject,
): Promise<unknown> {
  const asset = await openUrl(new URL(path, base), options(subject));
  if (asset === undefined) return undefined;
  try {
    return JSON.parse(await textOf(asset));
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw new AppError(
      "network",
      `${base.host} did not answer as a Hugging Face hub when asked for ${subject.what}. Is ${settingName} right?`,
      { details: { host: base.host, ...subject }, cause },
    );
  }
}

export const textOf = async (asset: Asset): Promise<string> =>
  new TextDecoder().decode(await asset.read(0, asset.size));

/** Whose token the connection has. Throws `access-denied` when the hub does not know it, and `network`. */
export async function whoAmI(connection: Connection): Promise<string> {
  const { base } = connection;
  const answer = await ask(connection, "api/whoami-v2", { what: "whose the token is" });
  const name = (answer as { name?: unknown } | undefined)?.name;
  if (typeof name === "string") return name;
  throw new AppError("network", `${base.host} does not say whose the token is, so it knows no tokens.`, {
    details: { host: base.host },
  });
}
