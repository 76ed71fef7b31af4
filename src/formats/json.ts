import type { Asset } from "../host/host.ts";
import { AppError } from "../lib/errors.ts";

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A whole file as text. Throws `file-invalid` above `limit` bytes or when it is not UTF-8. */
export async function readText(asset: Asset, limit = 64 * 1024 * 1024): Promise<string> {
  if (asset.size > limit) {
    throw new AppError(
      "file-invalid",
      `${asset.name} has ${asset.size} bytes; at most ${limit} are read as text.`,
      {
        details: { file: asset.name, size: asset.size, limit },
      },
    );
  }
  const bytes = await asset.read(0, asset.size);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new AppError("file-invalid", `${asset.name} is not UTF-8 text.`, {
      details: { file: asset.name },
      cause,
    });
  }
}

/** A whole file as JSON; the caller checks what it holds. Throws `file-invalid`. */
export async function readJson(asset: Asset): Promise<unknown> {
  const text = await readText(asset);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new AppError("file-invalid", `${asset.name} is no valid JSON: ${String(cause)}`, {
      details: { file: asset.name },
      cause,
    });
  }
}

/** A JSON file that must hold an object. Throws `file-invalid`. */
export async function readJsonObject(asset: Asset): Promise<Record<string, unknown>> {
  const value = await readJson(asset);
  if (isRecord(value)) return value;
  throw new AppError("file-invalid", `${asset.name} must hold a JSON object.`, {
    details: { file: asset.name },
  });
}

/**
 * The first key that one object of a valid JSON text gives twice, which `JSON.parse` would pass over in silence.
 * A file that says two things about one tensor is refused rather than read one way here and another way elsewhere.
 */
export function duplicateKey(text: string): string | undefined {
  // One set of keys for each object that is open; an array has none.
  const open: (Set<string> | undefined)[] = [];
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"\s*:?|[{}[\]]/g)) {
    if (token === "{") open.push(new Set());
    if (token === "[") open.push(undefined);
    if (token === "}" || token === "]") open.pop();
    const keys = open.at(-1);
    if (!(keys && token.endsWith(":"))) continue;
    const key = String(JSON.parse(token.slice(0, -1)));
    if (keys.has(key)) return key;
    keys.add(key);
  }
  return undefined;
}
