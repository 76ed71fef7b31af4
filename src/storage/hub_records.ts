import {
  type Asked,
  askedKey,
  type Repository,
  type RepositoryRecord,
  type StoredFile,
} from "../host/hub_store.ts";
import { atomically, type Database, prefix, writing } from "./database.ts";

/** What the database knows of hubs: listings of commits, and which bytes of their files are on this device. */

export function findRepository(db: Database, asked: Asked): Promise<RepositoryRecord | undefined> {
  return db.getFromIndex("hubRepositories", "asked", askedKey(asked));
}

/**
 * Keeps a listing under the name that was asked for, which from now on means this commit and no other; its own id and
 * commit mean it as well.
 */
export async function putRepository(
  db: Database,
  repository: Repository,
  asked: Asked,
  now: number,
): Promise<void> {
  const { endpoint, kind, id, commit } = repository;
  const key = askedKey(asked);
  await writing(`the listing of ${id}`, async () => {
    const tx = db.transaction("hubRepositories", "readwrite");
    const others = await tx.store.index("asked").getAll(key);
    const before = await tx.store.get(repository.key);
    const named = [
      key,
      ...[asked.id, id].map((name) => askedKey({ endpoint, kind, id: name, revision: commit })),
    ];
    const record: RepositoryRecord = {
      ...repository,
      asked: [...new Set([...(before?.asked ?? []), ...named])],
      wanted: before?.wanted ?? [],
      lastUsed: now,
    };
    await atomically(tx, [
      ...others
        .filter((other) => other.key !== repository.key)
        .map((other) => () => tx.store.put({ ...other, asked: other.asked.filter((name) => name !== key) })),
      () => tx.store.put(record),
    ]);
  });
}

/** Adds to the files that are needed of a repository, and notes when it was used. */
export async function wantFiles(
  db: Database,
  repository: string,
  paths: readonly string[],
  now: number,
): Promise<void> {
  const tx = db.transaction("hubRepositories", "readwrite");
  const record = await tx.store.get(repository);
  if (record) {
    const wanted = [...new Set([...record.wanted, ...paths])];
    await tx.store.put({ ...record, wanted, lastUsed: now });
  }
  await tx.done;
}

export const listRepositories = (db: Database): Promise<RepositoryRecord[]> => db.getAll("hubRepositories");

export const storedFiles = (db: Database, repository: string): Promise<StoredFile[]> =>
  db.getAll("hubFiles", prefix(repository));

export const storedFile = (db: Database, repository: string, path: string): Promise<StoredFile | undefined> =>
  db.get("hubFiles", [repository, path]);

export async function putStoredFile(db: Database, file: StoredFile): Promise<void> {
  await writing(file.path, () => db.put("hubFiles", file));
}

export async function removeStoredFile(db: Database, repository: string, path: string): Promise<void> {
  await db.delete("hubFiles", [repository, path]);
}

export async function removeRepository(db: Database, repository: string): Promise<void> {
  const tx = db.transaction(["hubRepositories", "hubFiles"], "readwrite");
  await atomically(tx, [
    () => tx.objectStore("hubRepositories").delete(repository),
    () => tx.objectStore("hubFiles").delete(prefix(repository)),
  ]);
}
