import { AppError } from "../lib/errors.ts";
import type { Asset } from "./host.ts";

/** Functions are short; a larger file is something else. */
const MOST = 1024 * 1024;

/** The text of a small file. Throws `file-invalid` when it is large or no UTF-8. */
export async function assetText(file: Asset): Promise<string> {
  const refuse = (why: string) =>
    new AppError("file-invalid", `${file.name} ${why}.`, { details: { file: file.name } });
  if (file.size > MOST) throw refuse("is larger than 1 MiB, which no file with functions is");
  const bytes = await file.read(0, file.size);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw refuse("is not a text in UTF-8. Save it in that encoding");
  }
}
