import { formatBytes } from "../../lib/format_bytes.ts";
import type { HubModelInfo } from "../../protocol/hub.ts";
import { formatCompact } from "../format.ts";

/** The page of a repository at a hub. */
export const pageOf = (address: string, kind: "model" | "dataset", id: string): string =>
  `${address}/${kind === "dataset" ? "datasets/" : ""}${id}`;

/** How much has to come, and how much of it is here. */
export function downloadWords({
  bytes,
  storedBytes,
  complete,
}: Pick<HubModelInfo, "bytes" | "storedBytes" | "complete">): string {
  if (complete) return `${formatBytes(bytes)}, all on this device: no download needed`;
  if (storedBytes === 0) return `${formatBytes(bytes)}, none of it on this device yet`;
  return `${formatBytes(bytes)}, ${formatBytes(storedBytes)} of it on this device already`;
}

/** A size that is not exact: 270 MB, 1.5 GB. */
export const aboutBytes = (bytes: number): string => formatBytes(bytes).replace(/\.0 (?=[kM]B)/, " ");

export const parameterWords = (parameters: number | null): string =>
  parameters === null ? "Number of parameters not given" : `${formatCompact(parameters)} parameters`;

/** Licences by their hub identifiers, where people know another name. */
const LICENCES: Readonly<Record<string, string>> = {
  "apache-2.0": "Apache 2.0",
  mit: "MIT",
  "bsd-3-clause": "BSD 3-clause",
  "cc-by-4.0": "CC BY 4.0",
  "cc-by-nc-4.0": "CC BY-NC 4.0",
  "cc-by-sa-3.0": "CC BY-SA 3.0",
  "cc-by-sa-4.0": "CC BY-SA 4.0",
  "llama3.2": "Llama 3.2 licence",
  "llama3.1": "Llama 3.1 licence",
  gemma: "Gemma terms",
  other: "A licence of its own",
};

export const licenceWords = (licence: string | null): string =>
  licence === null
    ? "No licence given"
    : Object.hasOwn(LICENCES, licence)
      ? (LICENCES[licence] ?? licence)
      : licence;

export const shortCommit = (commit: string): string => commit.slice(0, 7);
