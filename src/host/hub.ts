import { AppError, invariant } from "../lib/errors.ts";
import { hubId, type RepositoryId } from "../lib/hub.ts";
import type { Asset, DatasetAsset, DatasetPart, Folder } from "./host.ts";
import { type ChosenFile, type ChosenFiles, chooseFiles } from "./hub_dataset.ts";
import { endpointName, refusal, unreachable } from "./hub_errors.ts";
import { openUrl, type UrlOptions } from "./url_asset.ts";

export interface HubOptions {
  /** HUB_ENDPOINT, or a mirror. */
  readonly endpoint: string;
  /** Sent to the endpoint's origin alone: fetch drops it on a redirect to another one. */
  readonly token?: string | undefined;
  readonly retryDelays?: readonly number[];
  /** Where its words are read: a page has neither a token nor an environment, and is told of what it has. */
  readonly inPage?: boolean;
  /** Files of datasets up to this many bytes are kept in memory once they are read; 32 MiB when absent. */
  readonly keepUpTo?: number;
}

/** Models and datasets of the Hugging Face hub, read by ranges. Uses fetch alone, so that it works in browsers and Node. */
export interface Hub {
  /** Where it is, for messages. */
  readonly host: string;
  /** The files of a model or adapter at one commit. Throws `file-missing`, `access-denied`, `network`. */
  openModel(name: string, revision?: string | null): Promise<Folder>;
  /** The files of one split. Throws as openModel does, and `config-invalid` for a subset or split that there is not. */
  openDataset(name: string, part: DatasetPart): Promise<DatasetAsset>;
}

/** One commit of a repository, and what lies in it. */
interface Repository {
  readonly kind: RepositoryKind;
  /** The canonical id: `gsm8k` is openai/gsm8k. */
  readonly id: string;
  readonly commit: string;
  /** A revision was asked for; the hub converts the newest one only. */
  readonly pinned: boolean;
  /** Paths, with their sizes where the hub says them. */
  readonly files: ReadonlyMap<string, number | undefined>;
}

export type RepositoryKind = "models" | "datasets";

/** The hub at one endpoint, asked with one token. */
interface Connection {
  readonly base: URL;
  readonly keepUpTo: number | undefined;
  readonly settingName: string;
  /** What `openUrl` needs; `what` is what messages call the thing that is fetched. */
  options(what: string): UrlOptions;
}

function connect({ endpoint, token, retryDelays, inPage = false, keepUpTo }: HubOptions): Connection {
  const base = new URL(endpoint.endsWith("/") ? endpoint : `${endpoint}/`);
  const hasToken = token !== undefined;
  return {
    ...{ base, keepUpTo, settingName: endpointName(inPage) },
    options: (what) => ({
      ...(hasToken && { headers: { authorization: `Bearer ${token}` } }),
      ...(retryDelays && { retryDelays }),
      explain: (url, response, cause) =>
        response === undefined
          ? unreachable(url, { what, inPage, cause })
          : refusal(response, { what, base, hasToken, inPage }),
    }),
  };
}

export function createHub(options: HubOptions): Hub {
  const connection = connect(options);
  return {
    host: connection.base.host,
    openModel: async (name, revision) => {
      const repository = await look(connection, "models", idOf(name, revision));
      const plain = [...repository.files.keys()].filter((path) => !path.includes("/")).sort();
      return {
        name,
        revision: repository.commit,
        sizes: new Map(plain.map((path) => [path, repository.files.get(path) ?? 0])),
        list: () => Promise.resolve(plain),
        open: async (file) => (plain.includes(file) ? openFile(connection, repository, file) : undefined),
      };
    },
    openDataset: async (name, part) => {
      const repository = await look(connection, "datasets", idOf(name));
      const chosen = await filesOf(connection, repository, part);
      const assets: Asset[] = [];
      for (const file of chosen.files) assets.push(await openChosen(connection, repository, file));
      const [first, ...more] = assets;
      invariant(first !== undefined, "a split has a file");
      return { ...first, more, part: chosen.part };
    },
  };
}

/** The answer to a question as JSON; undefined when there is nothing. */
async function ask({ base, options, settingName }: Connection, path: string, what: string): Promise<unknown> {
  const asset = await openUrl(new URL(path, base), options(what));
  if (asset === undefined) return undefined;
  try {
    return JSON.parse(await textOf(asset));
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw new AppError(
      "network",
      `${base.host} did not answer as a Hugging Face hub when asked for ${what}. Is ${settingName} right?`,
      { details: { host: base.host, what }, cause },
    );
  }
}

const textOf = async (asset: Asset): Promise<string> =>
  new TextDecoder().decode(await asset.read(0, asset.size));

async function look(
  connection: Connection,
  kind: RepositoryKind,
  { id, revision }: RepositoryId,
): Promise<Repository> {
  const { base } = connection;
  const what = `the ${kind === "models" ? "model" : "dataset"} ${id}`;
  const at = revision === undefined ? "" : `/revision/${encodeURIComponent(revision)}`;
  const info = await ask(connection, `api/${kind}/${id}${at}?blobs=true`, what);
  if (info !== undefined) return readInfo(base, kind, { id, revision }, info);
  const which = revision === undefined ? what : `${what} at the revision ${revision}`;
  throw new AppError("file-missing", `${base.host} does not have ${which}. Check the spelling.`, {
    details: { host: base.host, id, revision },
  });
}

async function openFile(
  { base, options }: Connection,
  { kind, id, commit, files }: Repository,
  path: string,
  keepUpTo?: number,
): Promise<Asset | undefined> {
  const place = `${id}/resolve/${commit}/${path.split("/").map(encodeURIComponent).join("/")}`;
  const url = new URL(kind === "datasets" ? `datasets/${place}` : place, base);
  const asset = await openUrl(url, { ...options(`${path} of ${id}`), ...(keepUpTo && { keepUpTo }) });
  const size = files.get(path);
  if (asset === undefined || size === undefined || asset.size === size) return asset;
  throw new AppError(
    "file-invalid",
    `${base.host} sent ${path} of ${id} with ${asset.size} bytes; it should have ${size}. Try again, and another network or endpoint if it stays so.`,
    { details: { host: base.host, id, file: path, size, received: asset.size } },
  );
}

function filesOf(connection: Connection, repository: Repository, part: DatasetPart): Promise<ChosenFiles> {
  const { id, files, pinned } = repository;
  return chooseFiles(id, part, {
    paths: [...files.keys()],
    readReadme: async () => {
      const readme = files.has("README.md") ? await openFile(connection, repository, "README.md") : undefined;
      return readme && textOf(readme);
    },
    readConverted: async () =>
      pinned ? undefined : ask(connection, `api/datasets/${id}/parquet`, `the Parquet files of ${id}`),
  });
}

async function openChosen(connection: Connection, repository: Repository, file: ChosenFile): Promise<Asset> {
  const { base, options, keepUpTo } = connection;
  const { name } = file;
  const open = async (): Promise<Asset> => {
    const asset =
      "url" in file
        ? await openUrl(ownUrl(base, file.url), { ...options(name), ...(keepUpTo && { keepUpTo }) })
        : await openFile(connection, repository, file.path, keepUpTo);
    if (asset !== undefined) return { ...asset, name };
    throw new AppError(
      "file-missing",
      `${base.host} lists ${name} of ${repository.id} and does not have it.`,
    );
  };
  const size = "path" in file ? repository.files.get(file.path) : undefined;
  return size === undefined ? open() : openedWhenRead(name, size, open);
}

/** A file whose size is known, of which nothing is fetched before it is read. */
function openedWhenRead(name: string, size: number, open: () => Promise<Asset>): Asset {
  let opened: Promise<Asset> | undefined;
  return {
    name,
    size,
    read: async (start, end) => {
      opened ??= open();
      opened.catch(() => {
        opened = undefined;
      });
      return (await opened).read(start, end);
    },
  };
}

/** The hub's listings name its own host even where a mirror answers. */
function ownUrl(base: URL, listed: string): URL {
  const { pathname, search } = new URL(listed, base);
  return new URL(`${pathname.slice(1)}${search}`, base);
}

function idOf(name: string, revision?: string | null): RepositoryId {
  const id = hubId(name);
  if (id === undefined) {
    throw new AppError("file-missing", `"${name}" is no name of the hub: those have the form owner/name.`);
  }
  return { id: id.id, revision: id.revision ?? revision ?? undefined };
}

function readInfo(base: URL, kind: RepositoryKind, asked: RepositoryId, info: unknown): Repository {
  const { id, sha, siblings } = info as {
    id?: unknown;
    sha?: unknown;
    siblings?: readonly { rfilename?: unknown; size?: unknown }[];
  };
  if (typeof sha !== "string" || !/^[\w-]+$/.test(sha) || !Array.isArray(siblings)) {
    throw new AppError(
      "network",
      `${base.host} answered about ${asked.id} without saying which files it has.`,
      {
        details: { host: base.host, id: asked.id },
      },
    );
  }
  const files = siblings.flatMap(({ rfilename, size }): [string, number | undefined][] =>
    typeof rfilename === "string" ? [[rfilename, typeof size === "number" ? size : undefined]] : [],
  );
  const canonical = typeof id === "string" && hubId(id)?.id === id ? id : asked.id;
  return { kind, id: canonical, commit: sha, pinned: asked.revision !== undefined, files: new Map(files) };
}
