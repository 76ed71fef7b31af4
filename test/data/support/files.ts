import { readdirSync, readFileSync } from "node:fs";
import type { Asset, Folder } from "../../../src/host/host.ts";

/** Bytes or text as a dataset file. */
export function assetOf(name: string, content: string | Uint8Array): Asset {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return {
    name,
    size: bytes.length,
    read: (start, end) => Promise.resolve(bytes.slice(start, end)),
  };
}

/** Named texts as a model folder. */
export function folderOf(files: Readonly<Record<string, string>>): Folder {
  return {
    name: "model",
    list: () => Promise.resolve(Object.keys(files)),
    open(file) {
      const text = files[file];
      return Promise.resolve(text === undefined ? undefined : assetOf(file, text));
    },
  };
}

/** A folder below test/golden/trl. */
export function goldenFolder(name: string): Folder {
  const path = new URL(`../../golden/trl/${name}/`, import.meta.url);
  return {
    name,
    list: () => Promise.resolve(readdirSync(path)),
    open(file) {
      const found = readdirSync(path).includes(file);
      return Promise.resolve(found ? assetOf(file, readFileSync(new URL(file, path))) : undefined);
    },
  };
}

export function goldenText(path: string): string {
  return readFileSync(new URL(`../../golden/trl/${path}`, import.meta.url), "utf8");
}

/** A fixture: its first line says what made it, the others are its rows. */
export function fixture<T>(name: string): T[] {
  const text = readFileSync(new URL(`../fixtures/${name}.jsonl`, import.meta.url), "utf8");
  return text
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((line) => JSON.parse(line) as T);
}
