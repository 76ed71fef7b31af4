import { formatBytes } from "../../lib/format_bytes.ts";
import type { Download } from "../../protocol/runs.ts";
import { notify } from "../../store/app.ts";

/** Hands a file to the browser's downloads. */
export function saveFile({ fileName, blob }: Download): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = fileName;
  link.click();
  // The browser reads the address after the click has returned.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
  notify(`${fileName} (${formatBytes(blob.size)}) is in your downloads.`);
}

export const saveText = (fileName: string, text: string, type = "text/plain"): void =>
  saveFile({ fileName, blob: new Blob([text], { type }) });
