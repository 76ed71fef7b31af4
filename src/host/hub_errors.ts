import { AppError } from "../lib/errors.ts";
import { retryAfter } from "./retry_after.ts";

export interface Asked {
  /** What was asked for, in words. */
  readonly what: string;
  readonly base: URL;
  readonly hasToken: boolean;
}

/** The hub could not be reached at all: no network, no such host, or nobody listens. */
export function unreachable(url: URL, what: string, cause: unknown): AppError {
  const reason = reasonOf(cause);
  const why =
    reason === "ENOTFOUND" || reason === "EAI_AGAIN"
      ? "its address could not be looked up"
      : "it did not answer";
  return new AppError(
    "network",
    `${url.host} cannot be reached for ${what}: ${why}. Check the network; or give the path of a local folder or file; or name a mirror as the endpoint (HF_ENDPOINT).`,
    { details: { host: url.host, what, reason }, cause },
  );
}

/** Node says the reason in the cause of what fetch throws; browsers say none. */
function reasonOf(cause: unknown): string | undefined {
  const inner = cause instanceof Error ? cause.cause : undefined;
  return inner instanceof Error && "code" in inner ? String(inner.code) : undefined;
}

/** What a refusal of the hub, or a page in place of a file, means and what to do; undefined for statuses without a meaning of their own. */
export function refusal(response: Response, { what, base, hasToken }: Asked): AppError | undefined {
  const { status } = response;
  const code = response.headers.get("x-error-code") ?? "";
  const details = { host: base.host, what, status, code };
  const denied = (why: string) => new AppError("access-denied", why, { details });
  const gated = code === "GatedRepo";
  if (response.ok) {
    return new AppError(
      "network",
      `${base.host} answered with a web page when asked for ${what}. Either this network asks people to log in first, or the endpoint (HF_ENDPOINT) is no Hugging Face hub.`,
      { details },
    );
  }
  if (status === 401 && hasToken) {
    return denied(
      `${base.host} does not accept the token (HF_TOKEN) for ${what}: it is wrong or has expired, or there is no such repository. Check the name, and the token at ${base.origin}/settings/tokens.`,
    );
  }
  if (status === 401) {
    return denied(
      gated
        ? `${what} is open only to people who accepted its terms. Accept them on its page at ${base.origin}, make a token with read access at ${base.origin}/settings/tokens, and set HF_TOKEN.`
        : `${base.host} shows ${what} to nobody without a token: there is no such repository, or it is private. Check the spelling; for a private one make a token at ${base.origin}/settings/tokens and set HF_TOKEN.`,
    );
  }
  if (status === 403) {
    return denied(
      gated
        ? `The token's account has not been let into ${what}. Accept its terms on its page at ${base.origin}; some wait for the owner's answer.`
        : `The token does not reach ${what}. Give it read access to this repository at ${base.origin}/settings/tokens.`,
    );
  }
  if (status !== 429) return undefined;
  const seconds = retryAfter(response.headers);
  const when = seconds === undefined ? "in some minutes" : `in ${seconds} seconds`;
  const token = hasToken ? "" : " With a token (HF_TOKEN) more requests are allowed.";
  return new AppError("network", `${base.host} takes no more requests for now. Try again ${when}.${token}`, {
    details: { ...details, seconds },
  });
}
