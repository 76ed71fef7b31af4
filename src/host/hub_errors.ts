import { AppError } from "../lib/errors.ts";
import { retryAfter } from "./retry_after.ts";

/** What was asked for. */
export interface Subject {
  /** In words. */
  readonly what: string;
  /** The repository that it is, or is of. */
  readonly id?: string;
  /** Where people see the repository. */
  readonly page?: string;
}

export interface Refused extends Subject {
  readonly base: URL;
  readonly hasToken: boolean;
  /** There is a token, which may not be sent there. */
  readonly isWithheld: boolean;
  readonly inPage: boolean;
}

/** What the place of the hub is called where it is set. */
export const endpointName = (inPage: boolean): string =>
  inPage ? "the hub address" : "the endpoint (HF_ENDPOINT)";

/** The hub could not be reached at all: no network, no such host, nobody listens, or, in a page, it serves no other sites. */
export function unreachable(
  url: URL,
  { what, id, page, inPage, cause }: Subject & { readonly inPage: boolean; readonly cause: unknown },
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
    details: { host: url.host, what, id, page, reason },
    cause,
  });
}

/** Node says the reason in the cause of what fetch throws; browsers say none. */
function reasonOf(cause: unknown): string | undefined {
  const inner = cause instanceof Error ? cause.cause : undefined;
  return inner instanceof Error && "code" in inner ? String(inner.code) : undefined;
}

/** What a refusal of the hub, or a page in place of a file, means and what to do; undefined for statuses without a meaning of their own. */
export function refusal(response: Response, asked: Refused): AppError | undefined {
  const { what, id, page, base, hasToken, inPage } = asked;
  const { status } = response;
  const code = response.headers.get("x-error-code") ?? "";
  const details = { host: base.host, what, id, page, status, code };
  if (response.ok) {
    return new AppError(
      "network",
      `${base.host} answered with a web page when asked for ${what}. Either this network asks people to log in first, or ${endpointName(inPage)} is not that of a Hugging Face hub.`,
      { details },
    );
  }
  if (status === 401 || status === 403) {
    const gated = code === "GatedRepo";
    return new AppError("access-denied", denied(asked, status, gated), {
      details: { ...details, gated, hasToken },
    });
  }
  if (status !== 429) return undefined;
  const seconds = retryAfter(response.headers);
  const when = seconds === undefined ? "in some minutes" : `in ${seconds} seconds`;
  const token = hasToken ? "" : ` With a token${inPage ? "" : " (HF_TOKEN)"} more requests are allowed.`;
  return new AppError("network", `${base.host} takes no more requests for now. Try again ${when}.${token}`, {
    details: { ...details, seconds },
  });
}

/** Four cases, told apart because each has another way out: who asks is unknown, mistaken, not let in, or lacks a right. */
function denied(asked: Refused, status: number, gated: boolean): string {
  const { what, base, page = base.origin, hasToken, isWithheld, inPage } = asked;
  const tokens = `${base.origin}/settings/tokens`;
  const give = inPage ? "enter it here" : "set HF_TOKEN";
  const other = inPage ? " Or download the files and choose them from your disk." : "";
  if (isWithheld) {
    return `${base.host} does not show ${what} without a token, and a token is sent over https only. Name the endpoint with https.`;
  }
  if (status === 401 && hasToken) {
    return `${base.host} does not accept the token${inPage ? "" : " (HF_TOKEN)"} for ${what}: it is wrong or has expired, or there is no such repository. Check the name, and the token at ${tokens}.`;
  }
  if (!hasToken) {
    return gated
      ? `${what} is open only to people who accepted its terms. Accept them at ${page}, make a token with read access at ${tokens}, and ${give}.${other}`
      : `${base.host} shows ${what} to nobody without a token: there is no such repository, or it is private. Check the spelling; for a private one make a token at ${tokens} and ${give}.${other}`;
  }
  return gated
    ? `The token's account has not been let into ${what}. Accept its terms at ${page}; some wait for the owner's answer.`
    : `The token does not reach ${what}. Give it read access to this repository at ${tokens}.`;
}
