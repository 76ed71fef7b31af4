import { AppError } from "../lib/errors.ts";
import type { Asset } from "./host.ts";
import { endpointName, refusal, type Subject, unreachable } from "./hub_errors.ts";
import { openUrl, type UrlOptions } from "./url_asset.ts";

export interface HubOptions {
  /** HUB_ENDPOINT, or a mirror. */
  readonly endpoint: string;
  /** Sent to the endpoint's origin alone, and only where it is https or this machine: fetch drops it on a redirect to another one. */
  readonly token?: string | undefined;
  readonly retryDelays?: readonly number[];
  /** Where its words are read: a page has no environment, and is told of what it has. */
  readonly inPage?: boolean;
  /** Files of datasets up to this many bytes are kept in memory once they are read; 32 MiB when absent. */
  readonly keepUpTo?: number;
}

/** The hub at one endpoint, asked with one token. */
export interface Connection {
  readonly base: URL;
  readonly endpoint: string;
  readonly keepUpTo: number | undefined;
  readonly settingName: string;
  readonly hasToken: boolean;
  /** What `openUrl` needs. */
  options(subject: Subject): UrlOptions;
}

/** Whether a secret may be sent there: over https, or to this machine. */
const isPrivate = ({ protocol, hostname }: URL): boolean =>
  protocol === "https:" || hostname === "localhost" || hostname === "127.0.0.1" || hostname === "[::1]";

export function connect({ endpoint, token, retryDelays, inPage = false, keepUpTo }: HubOptions): Connection {
  const base = new URL(endpoint.endsWith("/") ? endpoint : `${endpoint}/`);
  const hasToken = token !== undefined && isPrivate(base);
  const isWithheld = token !== undefined && !hasToken;
  return {
    ...{
      base,
      endpoint: base.href.replace(/\/$/, ""),
      keepUpTo,
      settingName: endpointName(inPage),
      hasToken,
    },
    options: (subject) => ({
      ...(hasToken && { headers: { authorization: `Bearer ${token}` } }),
      ...(retryDelays && { retryDelays }),
      explain: (url, response, cause) =>
        response === undefined
          ? unreachable(url, { ...subject, inPage, cause })
          : refusal(response, { ...subject, base, hasToken, isWithheld, inPage }),
    }),
  };
}

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
