import { AppError } from "../lib/errors.ts";

/** What the system says of a file that cannot be written, in words that a person can act on; other errors as they are. */
export function writeError(cause: unknown, path: string, next = "then go on with --resume"): unknown {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
    case "EFBIG":
      return new AppError("storage-full", `No room on the disk for ${path}. Free some space, ${next}.`, {
        details: { path },
        cause,
      });
    case "EACCES":
    case "EPERM":
    case "EROFS":
    case "EEXIST":
    case "ENOTDIR":
    case "EISDIR":
      return new AppError(
        "config-invalid",
        `Cannot write ${path} (${code}). Give a folder that can be written with --output DIR.`,
        { details: { key: "output_dir", path }, cause },
      );
    default:
      return cause;
  }
}
