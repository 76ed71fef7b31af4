import { AppError } from "../lib/errors.ts";
import type { Asset, Folder } from "./host.ts";
import { checkRange } from "./memory.ts";

/** A file that a person chose or dropped, read by range from where it lies. */
export function fileAsset(file: File): Asset {
  const { name, size } = file;
  return {
    name,
    size,
    read: async (start, end) => {
      try {
        const bytes = new Uint8Array(await file.slice(start, end).arrayBuffer());
        return checkRange(name, size, start, end, bytes);
      } catch (cause) {
        if (cause instanceof AppError) throw cause;
        throw new AppError(
          "file-invalid",
          `${name} was changed, moved or locked since it was chosen. Choose it again.`,
          {
            details: { file: name },
            cause,
          },
        );
      }
    },
  };
}

/**
 * The files of a dropped folder by their own names; folders inside it are passed over by the page. Throws `file-invalid`
 * when two have one name, since it would be chance which one is read.
 */
export function fileFolder(name: string, files: readonly File[]): Folder {
  const assets = new Map<string, Asset>();
  for (const file of files) {
    if (assets.has(file.name)) {
      throw new AppError(
        "file-invalid",
        `${name} has two files called ${file.name}. Drop one folder at a time.`,
        {
          details: { folder: name, file: file.name },
        },
      );
    }
    assets.set(file.name, fileAsset(file));
  }
  return {
    name,
    list: () => Promise.resolve([...assets.keys()].sort()),
    open: (file) => Promise.resolve(assets.get(file)),
  };
}
