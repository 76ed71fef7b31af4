import { create } from "zustand";
import { HUB_ENDPOINT } from "../lib/hub.ts";
import { noteError } from "./app.ts";
import { request } from "./client.ts";
import { type Failure, failureOf } from "./failure.ts";
import { sendHub, useHub } from "./hub.ts";
import { askAbout, type Named } from "./hub_facts.ts";
import { cleanToken, forgetToken, holdToken, nameTokenUser, tokenFor, tokenProblem } from "./hub_token.ts";
import { changeHub } from "./setup_actions.ts";
import { retryHub } from "./setup_refresh.ts";

/** The way into a gated or private repository: terms, a token, another look. */
export interface AccessState {
  /** What is to be opened; null when nobody asks. */
  readonly wanted: Named | null;
  /** The last refusal. */
  readonly refusal: Failure | null;
  /** The hub said whose the token is. */
  readonly token: Check;
  readonly again: Check;
}

export type Check =
  | { readonly state: "open" }
  | { readonly state: "asking" }
  | { readonly state: "passed" }
  | { readonly state: "failed"; readonly why: string };

const OPEN: Check = { state: "open" };
const CLOSED: AccessState = { wanted: null, refusal: null, token: OPEN, again: OPEN };
export const useAccess = create<AccessState>(() => CLOSED);

/** Opens the steps for what was refused. */
export const openAccess = (wanted: Named, refusal: Failure): void =>
  useAccess.setState({ ...CLOSED, wanted, refusal });
export const closeAccess = (): void => useAccess.setState(CLOSED);

/**
 * Takes a token as it was pasted: the hub says whose it is, and from then on it goes with every request to this hub.
 * Returns whether the hub took it.
 */
export async function giveToken(text: string, remember: boolean): Promise<boolean> {
  const { address } = useHub.getState();
  const token = cleanToken(text);
  const problem = tokenProblem(token);
  const fail = (why: string): false => {
    useAccess.setState({ token: { state: "failed", why } });
    return false;
  };
  if (problem !== undefined) return fail(problem);
  useAccess.setState({ token: { state: "asking" } });
  try {
    const { user } = await request("checkToken", { token });
    // Another hub may have been chosen since: the token was given for the one before.
    holdToken(address, token, user, remember);
    await sendHub();
    useAccess.setState({ token: { state: "passed" }, again: OPEN });
    return true;
  } catch (error) {
    return fail(tokenRefusal(failureOf(error), new URL(address).host));
  }
}

const tokenRefusal = ({ code, message }: Failure, host: string): string =>
  code === "access-denied"
    ? `${host} does not know this token: it was deleted, has expired, or is not whole. Copy it again, or make a new one.`
    : message;

/** Whose the token is that an earlier visit kept. */
export async function lookUpUser(): Promise<void> {
  const { address } = useHub.getState();
  const token = tokenFor(address);
  if (token === null) return;
  try {
    nameTokenUser((await request("checkToken", { token })).user);
    useAccess.setState({ token: { state: "passed" } });
  } catch (error) {
    const why = tokenRefusal(failureOf(error), new URL(address).host);
    useAccess.setState({ token: { state: "failed", why } });
  }
}

/** Removes the token for the hub that is set, from this tab and this device. */
export async function dropToken(): Promise<void> {
  forgetToken(useHub.getState().address);
  useAccess.setState({ token: OPEN, again: OPEN });
  await sendHub();
}

/** Asks for the repository again. Returns whether it is open now. */
export async function checkAccess(): Promise<boolean> {
  const { wanted } = useAccess.getState();
  if (wanted === null) return false;
  useAccess.setState({ again: { state: "asking" } });
  try {
    await askAbout(wanted);
    useAccess.setState({ again: { state: "passed" } });
    retryHub();
    return true;
  } catch (error) {
    const refusal = noteError(error);
    useAccess.setState({ refusal, again: { state: "failed", why: refusal.message } });
    return false;
  }
}

/** Back to Hugging Face from a mirror, which gets no token. */
export async function leaveMirror(): Promise<void> {
  await changeHub(HUB_ENDPOINT);
  useAccess.setState({ token: OPEN, again: OPEN });
}

export type StepState = "todo" | "done" | "failed" | "unneeded";

/** How the three steps stand, by what the hub said last. */
export function accessSteps(
  { refusal, token, again }: Pick<AccessState, "refusal" | "token" | "again">,
  hasToken: boolean,
): readonly [terms: StepState, token: StepState, again: StepState] {
  if (again.state === "passed") return ["done", "done", "done"];
  const { status, gated, hasToken: sent } = refusal?.details ?? {};
  const isGated = gated === true || gated === "auto" || gated === "manual";
  // 403 is the answer to someone it knows: then the token is good and the terms are not accepted, or it lacks the right.
  const known = status === 403;
  const terms = isGated ? (known ? "failed" : "todo") : "unneeded";
  return [terms, tokenStep(), again.state === "failed" ? "failed" : "todo"];

  function tokenStep(): StepState {
    if (token.state === "failed") return "failed";
    if (token.state === "passed") return "done";
    if (!hasToken) return "todo";
    if (known) return isGated ? "done" : "failed";
    return sent === true && status === 401 ? "failed" : "todo";
  }
}
