import { AppError, invariant } from "../lib/errors.ts";
import { hubId, isRevision } from "../lib/hub.ts";
import { sizeOf } from "../lib/spans.ts";
import type { Asset, DatasetAsset, DatasetPart, Folder } from "./host.ts";
import { type Connection, connect, type HubOptions, textOf, whoAmI } from "./hub_connection.ts";
import { chooseFiles, type DatasetLayout, datasetLayout } from "./hub_dataset.ts";
import { fetchListing, subjectOf } from "./hub_listing.ts";
import type { Asked, HubStore, Repository, RepositoryFile, RepositoryKind } from "./hub_store.ts";
import { type KeptSource, keptAsset } from "./kept_asset.ts";
import { streamSpan } from "./range_stream.ts";
import { openUrl } from "./url_asset.ts";

/** Models and datasets of the Hugging Face hub, read by ranges. Uses fetch alone, so that it works in browsers and Node. */
export interface Hub {
  /** Where it is, for messages. */
  readonly host: string;
  /** The files of a model or adapter at one commit. Throws `file-missing`, `access-denied`, `network`. */
  openModel(name: string, revision?: string | null): Promise<Folder>;
  /** The files of one split. Throws as openModel does, and `config-invalid` for a subset or split that there is not. */
  openDataset(name: string, part: DatasetPart): Promise<DatasetAsset>;
  /**
   * The commit that a name and revision mean, and what lies in it. A branch means what it meant when it was last looked up;
   * `fresh` looks it up again. Throws `file-missing`, `access-denied`, `network`.
   */
  lookUp(kind: RepositoryKind, name: string, revision?: string | null, fresh?: boolean): Promise<Repository>;
  /** The subsets and splits of a dataset, and the repository that has their files. Throws as lookUp, and `dataset-invalid`. */
  layoutOf(
    name: string,
    revision?: string | null,
    fresh?: boolean,
  ): Promise<{
    readonly repository: Repository;
    readonly source: Repository;
    readonly layout: DatasetLayout;
  }>;
  /** Whose token it is. Throws `access-denied`, `network`. */
  whoAmI(): Promise<string>;
}

/** The branch that the hub's own conversion to Parquet lies in. */
const CONVERTED = "refs/convert/parquet";

/** With a store, what is fetched is kept, and what is kept is not asked for again. */
export function createHub(options: HubOptions, store?: HubStore): Hub {
  const connection = connect(options);
  const lookUp: Hub["lookUp"] = (kind, name, revision, fresh = false) =>
    look(connection, store, askedFor(connection, kind, name, revision), fresh);
  const layoutOf: Hub["layoutOf"] = async (name, revision, fresh) => {
    const repository = await lookUp("datasets", name, revision, fresh);
    const { id, files } = repository;
    let source = repository;
    const layout = await datasetLayout(id, {
      paths: files.map(({ path }) => path),
      readReadme: async () => {
        const readme = await openFile(connection, store, repository, "README.md");
        return readme && textOf(readme);
      },
      readConverted: async () => {
        // The hub converts what is newest alone.
        if (askedFor(connection, "datasets", name, revision).revision !== null) return undefined;
        const asked = askedFor(connection, "datasets", id, CONVERTED);
        const converted = await lookIfThere(connection, store, asked, fresh ?? false);
        source = converted ?? repository;
        return converted?.files.map(({ path }) => path);
      },
    });
    return { repository, source, layout };
  };
  return {
    host: connection.base.host,
    lookUp,
    layoutOf,
    whoAmI: () => whoAmI(connection),
    openModel: async (name, revision) => {
      const repository = await lookUp("models", name, revision);
      const plain = repository.files.filter(({ path }) => !path.includes("/"));
      const names = plain.map(({ path }) => path).sort();
      return {
        name,
        revision: repository.commit,
        sizes: new Map(plain.map(({ path, size }) => [path, size ?? 0])),
        list: () => Promise.resolve(names),
        stored: (file) => storedBytes(store, repository, file),
        open: async (file) =>
          names.includes(file) ? openFile(connection, store, repository, file) : undefined,
      };
    },
    openDataset: async (name, part) => {
      const { repository, source, layout } = await layoutOf(name);
      const chosen = chooseFiles(repository.id, part, layout);
      await store?.want?.(source, chosen.paths);
      const assets: Asset[] = [];
      for (const path of chosen.paths) assets.push(await openChosen(connection, store, source, path));
      const [first, ...more] = assets;
      invariant(first !== undefined, "a split has a file");
      return { ...first, more, part: chosen.part };
    },
  };
}

function askedFor(
  { endpoint }: Connection,
  kind: RepositoryKind,
  name: string,
  revision?: string | null,
): Asked {
  const id = hubId(name);
  if (id === undefined) {
    throw new AppError("file-missing", `"${name}" is no name of the hub: those have the form owner/name.`);
  }
  const given = id.revision ?? revision ?? null;
  if (given !== null && !isRevision(given)) {
    throw new AppError("config-invalid", `"${given}" is no revision: those are branches, tags and commits.`, {
      details: { key: "model_revision", revision: given },
    });
  }
  return { endpoint, kind, id: id.id, revision: given === "main" ? null : given };
}

async function lookIfThere(
  connection: Connection,
  store: HubStore | undefined,
  asked: Asked,
  fresh: boolean,
): Promise<Repository | undefined> {
  const known = fresh ? undefined : await store?.find(asked);
  if (known !== undefined) return known;
  const repository = await fetchListing(connection, asked.kind, asked.id, asked.revision);
  if (repository !== undefined) await store?.keep(repository, asked);
  return repository;
}

async function look(
  connection: Connection,
  store: HubStore | undefined,
  asked: Asked,
  fresh: boolean,
): Promise<Repository> {
  const repository = await lookIfThere(connection, store, asked, fresh);
  if (repository !== undefined) return repository;
  const { host } = connection.base;
  const { kind, id, revision } = asked;
  const { what } = subjectOf(connection, kind, id);
  const which = revision === null ? what : `${what} at the revision ${revision}`;
  throw new AppError("file-missing", `${host} does not have ${which}. Check the spelling.`, {
    details: { host, id, revision: revision ?? undefined },
  });
}

const fileOf = ({ files }: Repository, path: string): RepositoryFile | undefined =>
  files.find((file) => file.path === path);

async function storedBytes(
  store: HubStore | undefined,
  repository: Repository,
  path: string,
): Promise<number> {
  const file = fileOf(repository, path);
  if (file === undefined || file.size === null) return 0;
  const kept = await store?.open(repository, { ...file, size: file.size });
  return kept ? sizeOf(kept.verified ? [[0, kept.size]] : kept.present) : 0;
}

/** Undefined when the repository has no such file. With a store nothing is asked before it is read. */
async function openFile(
  connection: Connection,
  store: HubStore | undefined,
  repository: Repository,
  path: string,
): Promise<Asset | undefined> {
  const file = fileOf(repository, path);
  if (file === undefined) return undefined;
  const { size } = file;
  const kept = size === null ? undefined : await store?.open(repository, { ...file, size });
  return kept
    ? keptAsset(kept, sourceOf(connection, repository, file, kept.size))
    : openUnkept(connection, repository, file);
}

function placeOf(connection: Connection, { kind, id, commit }: Repository, path: string) {
  const { base, options } = connection;
  const place = `${id}/resolve/${commit}/${path.split("/").map(encodeURIComponent).join("/")}`;
  const url = new URL(kind === "datasets" ? `datasets/${place}` : place, base);
  const subject = { ...subjectOf(connection, kind, id), what: `${path} of ${id}` };
  return { url, what: subject.what, options: options(subject) };
}

function sourceOf(
  connection: Connection,
  repository: Repository,
  file: RepositoryFile,
  size: number,
): KeptSource {
  const { path, hash } = file;
  const { url, what, options } = placeOf(connection, repository, path);
  const { base, keepUpTo = Number.POSITIVE_INFINITY, onProgress, onNote } = connection;
  let direct: Promise<Asset | undefined> | undefined;
  return {
    ...{ what, host: base.host, name: path, hash, onNote },
    // Of the weights of a model all is read, however large they are.
    wholeUpTo: repository.kind === "models" ? Number.POSITIVE_INFINITY : keepUpTo,
    stream: (span, signal) => streamSpan(url, { ...options, signal }, { name: what, size }, span),
    readThrough: async (start, end) => {
      direct ??= openUnkept(connection, repository, file);
      const asset = await direct;
      invariant(asset !== undefined, `${path} was read before`);
      return asset.read(start, end);
    },
    onProgress: (done) => onProgress({ repository, path, done, size }),
  };
}

async function openUnkept(
  connection: Connection,
  repository: Repository,
  { path, size }: RepositoryFile,
): Promise<Asset | undefined> {
  const { keepUpTo, base } = connection;
  const { url, options } = placeOf(connection, repository, path);
  const kept = repository.kind === "datasets" && keepUpTo !== undefined && { keepUpTo };
  const asset = await openUrl(url, { ...options, ...kept });
  if (asset === undefined || size === null || asset.size === size) return asset;
  const { id } = repository;
  throw new AppError(
    "file-invalid",
    `${base.host} sent ${path} of ${id} with ${asset.size} bytes; it should have ${size}. Try again, and another network or endpoint if it stays so.`,
    { details: { host: base.host, id, file: path, size, received: asset.size } },
  );
}

async function openChosen(
  connection: Connection,
  store: HubStore | undefined,
  repository: Repository,
  path: string,
): Promise<Asset> {
  const { host } = connection.base;
  const open = async (): Promise<Asset> => {
    const asset = await openFile(connection, store, repository, path);
    if (asset !== undefined) return { ...asset, name: path };
    throw new AppError("file-missing", `${host} lists ${path} of ${repository.id} and does not have it.`);
  };
  const size = fileOf(repository, path)?.size ?? null;
  return size === null || store ? open() : openedWhenRead(path, size, open);
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
