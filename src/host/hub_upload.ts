import { AppError } from "../lib/errors.ts";
import { HUB_ENDPOINT, uploadTarget } from "../lib/hub.ts";
import type { Asset } from "./host.ts";

/** A file that goes up, as the hub's library takes it. */
export interface UploadFile {
  readonly path: string;
  readonly content: Blob;
}

export interface UploadProgress {
  /** Null while no single file is being sent. */
  readonly file: string | null;
  readonly state: "hashing" | "uploading" | "committing";
  readonly done: number;
  readonly total: number;
}

export interface UploadOptions {
  /** Of the hub itself, which the token is for: never a mirror. */
  readonly endpoint?: string;
  readonly token: string;
  /** owner/name, or a name alone: the owner is then the token's account. */
  readonly repo: string;
  readonly isPublic: boolean;
  /** Adds a commit to a repository that is there already; else that is an error. */
  readonly intoExisting: boolean;
  readonly files: readonly UploadFile[];
  readonly onProgress?: (progress: UploadProgress) => void;
  readonly signal?: AbortSignal;
}

/** Larger files belong to tools that go on where they were cut off. */
const MAX_UPLOAD_BYTES = 2_000_000_000;

export async function uploadFileOf(asset: Asset): Promise<UploadFile> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const step = 16 * 2 ** 20;
  for (let at = 0; at < asset.size; at += step)
    parts.push(await asset.read(at, Math.min(asset.size, at + step)));
  return { path: asset.name, content: new Blob(parts) };
}

/**
 * Makes a repository, private unless asked otherwise, and uploads the files in one commit. The token goes to `endpoint` alone,
 * and is not kept. Throws `config-invalid` for a name, a token or an address that cannot be, `access-denied` (401, 403),
 * `network`, `cancelled`, and `file-invalid` for what the hub refuses to take.
 */
export async function uploadToHub(options: UploadOptions): Promise<{ url: string; repo: string }> {
  const { files, isPublic, intoExisting, onProgress = () => {}, signal } = options;
  const hubUrl = uploadTarget(options.endpoint ?? HUB_ENDPOINT);
  const accessToken = checkToken(options.token);
  checkFiles(files);
  const hub = await import("@huggingface/hub");
  const asked = { hubUrl, accessToken, fetch: fetchFor(hubUrl) };
  const state = { repo: options.repo, isMade: false };
  try {
    if (!state.repo.includes("/")) state.repo = `${(await hub.whoAmI(asked)).name}/${state.repo}`;
    checkRepository(state.repo);
    const repo = { type: "model", name: state.repo } as const;
    state.isMade = await makeRepository(hub, asked, { name: state.repo, isPublic, intoExisting });
    const operations = files.map((file) => ({ operation: "addOrUpdate" as const, ...file }));
    const title = "Upload from AlignTune";
    // The storage protocol xet needs WebAssembly and further hosts; the hub takes plain uploads as well.
    const events = hub.commitIter({
      ...{ ...asked, repo, operations, title, useXet: false },
      ...(signal && { abortSignal: signal }),
    });
    await follow(events, files, onProgress);
    return { url: `${hubUrl}/${state.repo}`, repo: state.repo };
  } catch (cause) {
    throw explain(cause, { hubUrl, ...state, signal });
  }
}

type Hub = typeof import("@huggingface/hub");

interface Asked {
  readonly hubUrl: string;
  readonly accessToken: string;
  readonly fetch: typeof fetch;
}

/** Whether it was made now; false when it was there and the files go into it. */
async function makeRepository(
  hub: Hub,
  asked: Asked,
  options: { readonly name: string; readonly isPublic: boolean; readonly intoExisting: boolean },
): Promise<boolean> {
  const { name, isPublic, intoExisting } = options;
  try {
    await hub.createRepo({
      ...asked,
      repo: { type: "model", name },
      visibility: isPublic ? "public" : "private",
    });
    return true;
  } catch (cause) {
    if (intoExisting && statusOf(cause) === 409) return false;
    throw cause;
  }
}

async function follow(
  events: ReturnType<Hub["commitIter"]>,
  files: readonly UploadFile[],
  onProgress: (progress: UploadProgress) => void,
): Promise<void> {
  const total = files.reduce((sum, { content }) => sum + content.size, 0);
  const sizes = new Map(files.map(({ path, content }) => [path, content.size]));
  const sent = new Map<string, number>();
  for await (const event of events) {
    const done = () => [...sent.values()].reduce((sum, bytes) => sum + bytes, 0);
    if (event.event === "phase") {
      const committing = event.phase === "committing";
      onProgress({ file: null, state: committing ? "committing" : "hashing", done: done(), total });
    } else if (event.state !== "error") {
      if (event.state === "uploading") sent.set(event.path, event.progress * (sizes.get(event.path) ?? 0));
      onProgress({ file: event.path, state: event.state, done: done(), total });
    }
  }
}

/** The library's requests, of which only those to the hub itself may carry the token, and none may be redirected with it. */
function fetchFor(hubUrl: string): typeof fetch {
  const { origin } = new URL(hubUrl);
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : String(input));
    const carries = new Headers(init?.headers).has("authorization");
    if (carries && url.origin !== origin)
      throw new AppError("access-denied", `The token would have gone to ${url.host}; nothing was sent.`);
    return fetch(input, { ...init, ...(carries && { redirect: "error" as const }) });
  };
}

function checkToken(token: string): string {
  const plain = token.trim().replace(/^(["'])(.*)\1$/, "$2");
  if (/^hf_[A-Za-z0-9]+$/.test(plain)) return plain;
  throw new AppError(
    "config-invalid",
    plain === ""
      ? "An upload needs a token with write access. Make one at https://huggingface.co/settings/tokens."
      : "This is not a token of the hub: they start with hf_. Copy it again from https://huggingface.co/settings/tokens.",
    { details: { key: "token" } },
  );
}

/** The hub's own rules. Source: huggingface_hub, validate_repo_id. */
function checkRepository(repo: string): void {
  const good =
    /^[\w.-]{1,96}\/[\w.-]{1,96}$/.test(repo) && !/--|\.\.|(^|\/)[.-]|[.-](\/|$)|\.git$/.test(repo);
  if (good) return;
  throw new AppError(
    "config-invalid",
    `${repo} cannot be the name of a repository: give owner/name with letters, digits, - _ and single dots, at most 96 each.`,
    { details: { key: "repo" } },
  );
}

function checkFiles(files: readonly UploadFile[]): void {
  const total = files.reduce((sum, { content }) => sum + content.size, 0);
  if (files.length > 0 && total <= MAX_UPLOAD_BYTES) return;
  throw new AppError(
    "config-invalid",
    files.length === 0
      ? "There are no files to upload."
      : `${total} bytes are more than this program uploads (${MAX_UPLOAD_BYTES}). Save the files and use \`hf upload\`, which goes on where it was cut off.`,
    { details: { total } },
  );
}

function statusOf(cause: unknown): number | undefined {
  return cause instanceof Error && "statusCode" in cause ? Number(cause.statusCode) : undefined;
}

interface Attempt {
  readonly hubUrl: string;
  readonly repo: string;
  readonly isMade: boolean;
  readonly signal: AbortSignal | undefined;
}

/** What the hub's refusal means and what to do. */
function explain(cause: unknown, { hubUrl, repo, isMade, signal }: Attempt): unknown {
  if (cause instanceof AppError) return cause;
  const left = isMade
    ? ` ${repo} was made and is empty: delete it, or upload into it once this is settled.`
    : "";
  const status = statusOf(cause);
  const { host } = new URL(hubUrl);
  const details = { host, repo, status: status ?? null };
  const refuse = (code: "access-denied" | "network" | "file-invalid" | "config-invalid", why: string) =>
    new AppError(code, `${why}${left}`, { details, cause });
  if (signal?.aborted)
    return new AppError("cancelled", `The upload was cancelled. Nothing was committed.${left}`, { details });
  const tokens = `${hubUrl}/settings/tokens`;
  switch (status) {
    case 401:
      return refuse(
        "access-denied",
        `${host} does not accept the token: it is wrong or has expired. Make one with write access at ${tokens}.`,
      );
    case 403:
      return refuse(
        "access-denied",
        `The token may not write to ${repo}. Give it write access to that owner's repositories at ${tokens}, or choose another owner.`,
      );
    case 404:
      return refuse(
        "access-denied",
        `${host} knows no ${repo} that this token may write to. Check the owner's name.`,
      );
    case 409:
      return refuse(
        "config-invalid",
        `${repo} is there already. Choose another name, or say that the files go into it as a new commit.`,
      );
    case 413:
      return refuse(
        "file-invalid",
        `${host} takes no file of this size, or the account has no room left. See ${hubUrl}/settings/billing.`,
      );
    case 429:
      return refuse("network", `${host} takes no more requests for now. Try again in some minutes.`);
    case undefined:
      return refuse(
        "network",
        `${host} could not be reached, or the connection broke off. Nothing was committed; try again. (${messageOf(cause)})`,
      );
    default:
      return refuse(
        status >= 500 ? "network" : "file-invalid",
        `${host} refused the upload (${status}): ${messageOf(cause)}`,
      );
  }
}

/** Without the address and the request's id that the library adds. */
function messageOf(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  return message.split(". URL: ")[0] ?? message;
}
