import { create } from "zustand";
import { HUB_ENDPOINT } from "../lib/hub.ts";

/**
 * Access tokens, each for the host that it was given for; it goes to no other. They are held here and not in a store, so that
 * nothing which copies a store has them; the store knows whether there is one.
 */
const held = new Map<string, string>();

export interface TokenState {
  /** Whether there is one for the hub that is asked. */
  readonly has: boolean;
  /** Whose it is, when the hub has said so in this visit. */
  readonly user: string | null;
  /** Whether it is kept on this device. */
  readonly remembered: boolean;
}

const NO_TOKEN: TokenState = { has: false, user: null, remembered: false };
export const useToken = create<TokenState>(() => NO_TOKEN);

const KEPT = "aligntune.token@";
const THIS_MACHINE = new Set(["localhost", "127.0.0.1"]);
const hostOf = (address: string): string => new URL(address).host;

let changes = 0;
/** Another after each change: what was refused before may be open now. */
export const tokenMark = (): string => String(changes);

/** Whether a hub may have a token: Hugging Face itself, or a server of this machine. A mirror is someone else's. */
export function takesToken(address: string): boolean {
  const { host, hostname } = new URL(address);
  return host === hostOf(HUB_ENDPOINT) || THIS_MACHINE.has(hostname);
}

/** What was pasted, without what comes along: quotes, spaces, `HF_TOKEN=`, `Bearer`. */
export const cleanToken = (text: string): string =>
  text
    .trim()
    .replace(/^(?:export\s+)?HF_TOKEN\s*=\s*/, "")
    .replace(/^["'`\s]+|["'`;,\s]+$/g, "")
    .replace(/^Bearer\s+/i, "");

/** Why a text can be no token; undefined when it may be one. */
export function tokenProblem(token: string): string | undefined {
  if (token === "") return "Paste a token first.";
  if (!/^[\x21-\x7e]+$/.test(token)) return "A token has no spaces and only plain letters, digits and signs.";
  return undefined;
}

/** The token for a hub, when one is held for it. */
export const tokenFor = (address: string): string | null =>
  takesToken(address) ? (held.get(hostOf(address)) ?? null) : null;

/** Holds a token for a hub from now on; on this device too when a person asked for that. */
export function holdToken(address: string, token: string, user: string | null, remember: boolean): void {
  const host = hostOf(address);
  held.set(host, token);
  changes++;
  if (!remember) erase(host);
  useToken.setState({ has: true, user, remembered: remember && write(host, token) });
}

/** Whose the token is, as the hub said. */
export const nameTokenUser = (user: string): void => useToken.setState({ user });

/** Takes up the token for this hub: that of this visit, or one that an earlier visit kept. */
export function recallToken(address: string): void {
  const host = hostOf(address);
  const kept = takesToken(address) ? read(host) : null;
  if (kept !== null && tokenProblem(kept) === undefined && !held.has(host)) held.set(host, kept);
  useToken.setState({ has: tokenFor(address) !== null, user: null, remembered: kept !== null });
}

/** Forgets the token for a hub, here and on this device. */
export function forgetToken(address: string): void {
  const host = hostOf(address);
  erase(host);
  held.delete(host);
  changes++;
  useToken.setState(NO_TOKEN);
}

function read(host: string): string | null {
  try {
    return localStorage.getItem(KEPT + host);
  } catch {
    return null;
  }
}

function write(host: string, token: string): boolean {
  try {
    localStorage.setItem(KEPT + host, token);
    return true;
  } catch {
    // A private window may keep nothing. The token then lasts as long as the tab, and the page says so.
    return false;
  }
}

function erase(host: string): void {
  try {
    localStorage.removeItem(KEPT + host);
  } catch {
    // Where nothing can be kept, nothing is.
  }
}
