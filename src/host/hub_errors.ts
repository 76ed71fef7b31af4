import { AppError } from "../lib/errors.ts";
import { retryAfter } from "./retry_after.ts";

export interface Asked {
  /** What was asked for, in words. */
  readonly what: string;
  readonly base: URL;
  readonly hasToken: boolean;
  readonly inPage: boolean;
}

/** What the place of the hub is called where it is set. */
export const endpointName = (inPage: boolean): string =>
  inPage ? "the hub address" : "the endpoint (HF_ENDPOINT)";

/** The hub could not be reached at all: no network, no such host, nobody listens, or, in a page, it serves no other sites. */
export function unreachable(
  url: URL,
  { what, inPage, cause }: Pick<Asked, "what" | "inPage"> & { readonly cause: unknown },
): AppError {
  const reason = reasonOf(cause);
  const why =
    reason === "ENOTFOUND" || reason === "EAI_AGAIN"
      ? "its address could not be looked up"
      : "it did not answer";
  const advice = inPage
    ? "Check the network and the hub address, which must be that of a hub that other pages may read; or choose the files from your disk."
    : "Check the network; or give the path of a local folder or file; or name a mirror as the endpoint (HF_ENDPOINT).";
  return new AppError("network", `${url.host} cannot be reached for ${what}: ${why}. ${advice}`, {
    details: { host: url.host, what, reason },
    cause,
  });
}

/** Node says the reason in the cause of what fetch throws; browsers say none. */
function reasonOf(cause: unknown): string | undefined {
  const inner = cause instanceof Error ? cause.cause : undefined;
  return inner instanceof Error && "code" in inner ? String(inner.code) : undefined;
}

/** What a refusal of the hub, or a page in place of a file, means and what to do; undefined for statuses without a meaning of their own. */
export function refusal(response: Response, asked: Asked): AppError | undefined {
  const { what, base, hasToken, inPage } = asked;
  const { status } = response;
  const code = response.headers.get("x-error-code") ?? "";
  const details = { host: base.host, what, status, code };
  if (response.ok) {
    return new AppError(
      "network",
      `${base.host} answered with a web page when asked for ${what}. Either this network asks people to log in first, or ${endpointName(inPage)} is not that of a Hugging Face hub.`,
      { details },
    );
  }
  if (status === 401 || status === 403) {
    const why = (inPage ? deniedInPage : denied)(asked, status, code === "GatedRepo");
    return new AppError("access-denied", why, { details });
  }
  if (status !== 429) return undefined;
  const seconds = retryAfter(response.headers);
  const when = seconds === undefined ? "in some minutes" : `in ${seconds} seconds`;
  const token = hasToken || inPage ? "" : " With a token (HF_TOKEN) more requests are allowed.";
  return new AppError("network", `${base.host} takes no more requests for now. Try again ${when}.${token}`, {
    details: { ...details, seconds },
  });
}

function deniedInPage({ what, base }: Asked, _status: number, gated: boolean): string {
  const which = gated
    ? `${what} is gated: it is open only to people who accepted its terms`
    : `${what} is private, gated, or not at ${base.host} at all`;
  return `${which}. This page cannot send a token yet. Check the spelling; or download the files and choose them from your disk; or train with the command line and HF_TOKEN.`;
}

function denied({ what, base, hasToken }: Asked, status: number, gated: boolean): string {
  if (status === 401 && hasToken) {
    return `${base.host} does not accept the token (HF_TOKEN) for ${what}: it is wrong or has expired, or there is no such repository. Check the name, and the token at ${base.origin}/settings/tokens.`;
  }
  if (status === 401) {
    return gated
      ? `${what} is open only to people who accepted its terms. Accept them on its page at ${base.origin}, make a token with read access at ${base.origin}/settings/tokens, and set HF_TOKEN.`
      : `${base.host} shows ${what} to nobody without a token: there is no such repository, or it is private. Check the spelling; for a private one make a token at ${base.origin}/settings/tokens and set HF_TOKEN.`;
  }
  return gated
    ? `The token's account has not been let into ${what}. Accept its terms on its page at ${base.origin}; some wait for the owner's answer.`
    : `The token does not reach ${what}. Give it read access to this repository at ${base.origin}/settings/tokens.`;
}
