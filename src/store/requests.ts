import type { RequestMade } from "../protocol/storage.ts";
import { request } from "./client.ts";

/** Files that were fetched from one place, and how often it was asked for them. */
export interface Asked {
  readonly name: string;
  readonly path: string;
  readonly host: string;
  readonly bytes: number;
  readonly requests: number;
}

/** What page and worker have fetched, as the browser recorded it, file by file. Rejects when the worker does not answer. */
export async function requestsMade(): Promise<readonly Asked[]> {
  const ofPage = performance
    .getEntriesByType("resource")
    .filter((entry): entry is PerformanceResourceTiming => "transferSize" in entry)
    .map(({ name, transferSize }) => ({ url: name, bytes: transferSize }));
  const { requests } = await request("requestsMade", {});
  return byFile([...ofPage, ...requests]);
}

/** A file that was read in parts counts once, with the number of its requests. */
export function byFile(made: readonly RequestMade[]): readonly Asked[] {
  const files = new Map<string, Asked>();
  for (const { url, bytes } of made) {
    if (/^(blob|data):/.test(url)) continue;
    const { host, pathname } = new URL(url);
    const before = files.get(host + pathname);
    files.set(host + pathname, {
      ...{ name: pathname.split("/").at(-1) || "/", path: pathname, host },
      bytes: (before?.bytes ?? 0) + bytes,
      requests: (before?.requests ?? 0) + 1,
    });
  }
  return [...files.values()];
}
