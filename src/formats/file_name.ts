/** Names that Windows keeps for devices, with or without an extension. */
const RESERVED = /^(con|prn|aux|nul|com[0-9]|lpt[0-9])$/;
const MAX_LENGTH = 100;

/**
 * Any text as the stem of a file name that every system takes: lower case, only a-z 0-9 . _ -, not a device of Windows,
 * not hidden, no dots at the end. Never empty.
 */
export function safeStem(text: string, limit = MAX_LENGTH): string {
  const plain = text
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, "-")
    .replace(/-{2,}/g, "-")
    .replace(/\.{2,}/g, ".")
    .slice(0, limit)
    .replace(/^[.-]+|[.-]+$/g, "");
  if (plain === "") return "run";
  return RESERVED.test(plain.split(".")[0] ?? "") ? `run-${plain}`.slice(0, limit) : plain;
}

/** The name of a download: `<run>[-step<N>]-<kind>.<ext>`, at most 100 characters; a long run name is cut, nothing else. */
export function safeFileName(
  run: string,
  kind:
    | "adapter"
    | "merged"
    | "model"
    | "lora"
    | "cluster"
    | "checkpoint"
    | "config"
    | "metrics"
    | "rollouts"
    | "report",
  extension: string,
  step?: number,
): string {
  const ending = `${step === undefined ? "" : `-step${step}`}-${kind}.${extension}`;
  return safeStem(run, MAX_LENGTH - ending.length) + ending;
}
