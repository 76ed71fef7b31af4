// When something was last changed: used to build again only what is older than its sources.
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** The latest modification time (ms) of a file or of anything below a folder; 0 where there is neither. */
export function newest(path) {
  if (!existsSync(path)) return 0;
  const info = statSync(path);
  if (!info.isDirectory()) return info.mtimeMs;
  return Math.max(info.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}
