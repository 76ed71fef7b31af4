/** A browser's own file system in memory, as far as the store of hubs uses it: files that one writer holds, and a quota. */

interface MemoryFile {
  bytes: Uint8Array<ArrayBuffer>;
  isHeld: boolean;
}

export interface MemoryFileSystem {
  /** What `navigator.storage` is. */
  readonly storage: unknown;
  /** Every file, by its name. */
  readonly files: Map<string, MemoryFile>;
  /** Bytes that there is room for. */
  quota: number;
}

const failure = (name: string) => new DOMException(name, name);

export function memoryFileSystem(): MemoryFileSystem {
  const files = new Map<string, MemoryFile>();
  const system = { files, quota: Number.POSITIVE_INFINITY };
  const used = () => [...files.values()].reduce((sum, { bytes }) => sum + bytes.length, 0);
  const root = folderOf(system, used, "");
  const storage = {
    getDirectory: async () => root,
    estimate: async () => ({ usage: used(), quota: system.quota }),
    persist: async () => true,
    persisted: async () => false,
  };
  return Object.assign(system, { storage });
}

type System = Pick<MemoryFileSystem, "files" | "quota">;

function folderOf(system: System, used: () => number, path: string) {
  const { files } = system;
  const below = (name: string) => [...files.keys()].filter((file) => file.startsWith(`${path}${name}/`));
  return {
    getDirectoryHandle: async (name: string) => folderOf(system, used, `${path}${name}/`),
    getFileHandle: async (name: string, { create = false } = {}) => {
      const file = files.get(path + name) ?? { bytes: new Uint8Array(), isHeld: false };
      if (!create && !files.has(path + name)) throw failure("NotFoundError");
      files.set(path + name, file);
      return {
        getFile: async () => new File([file.bytes], name),
        createSyncAccessHandle: async () => holdFile(file, system, used),
      };
    },
    removeEntry: async (name: string) => {
      const gone = files.has(path + name) ? [path + name] : below(name);
      if (gone.length === 0) throw failure("NotFoundError");
      if (gone.some((file) => files.get(file)?.isHeld)) throw failure("NoModificationAllowedError");
      for (const file of gone) files.delete(file);
    },
    keys: async function* keys() {
      const names = [...files.keys()].filter((file) => file.startsWith(path));
      yield* await Promise.resolve(new Set(names.map((file) => file.slice(path.length).split("/")[0])));
    },
  };
}

function holdFile(file: MemoryFile, system: System, used: () => number) {
  if (file.isHeld) throw failure("NoModificationAllowedError");
  file.isHeld = true;
  const resize = (length: number) => {
    if (used() - file.bytes.length + length > system.quota) throw failure("QuotaExceededError");
    const bytes = new Uint8Array(length);
    bytes.set(file.bytes.subarray(0, length));
    file.bytes = bytes;
  };
  return {
    read: (into: Uint8Array, { at }: { at: number }) => {
      const part = file.bytes.subarray(at, at + into.length);
      into.set(part);
      return part.length;
    },
    write: (bytes: Uint8Array, { at }: { at: number }) => {
      if (at + bytes.length > file.bytes.length) resize(at + bytes.length);
      file.bytes.set(bytes, at);
      return bytes.length;
    },
    flush: () => undefined,
    truncate: resize,
    close: () => {
      file.isHeld = false;
    },
  };
}
