/** What a dropped or picked file is, by its name and its beginning. */
export type Recognised =
  | { readonly kind: "config"; readonly file: File }
  | { readonly kind: "dataset"; readonly file: File }
  | { readonly kind: "data folder"; readonly name: string; readonly files: readonly File[] }
  | { readonly kind: "adapter"; readonly name: string; readonly files: readonly File[] }
  | { readonly kind: "model"; readonly name: string; readonly files: readonly File[] }
  | { readonly kind: "unknown"; readonly why: string };

export const ACCEPTED = ".yaml,.yml,.json,.jsonl,.ndjson,.csv,.tsv,.parquet,.txt";
const ACCEPTED_WORDS =
  "Open a configuration (YAML or JSON), a dataset (JSONL, JSON, CSV, TSV, Parquet or text), or the files of a model or adapter folder.";

const endingOf = (name: string): string => /\.([a-z0-9]+)$/i.exec(name)?.[1]?.toLowerCase() ?? "";

const DATA = new Set(["jsonl", "ndjson", "json", "csv", "tsv", "parquet", "txt"]);
/** Files about a dataset, which lie beside its own. */
const ABOUT = /^(dataset_infos?|dataset_dict|state|config)\.json$|^(licen[cs]e|readme|requirements)\b/i;
const isData = ({ name }: File): boolean => DATA.has(endingOf(name)) && !ABOUT.test(name);

const KINDS: Readonly<Record<string, string>> = {
  zip: "a zip archive",
  pdf: "a PDF document",
  docx: "a Word document",
  xlsx: "a spreadsheet",
  gguf: "a GGUF model, which cannot be trained",
  bin: "a PyTorch file",
  pt: "a PyTorch file",
  png: "a picture",
  jpg: "a picture",
  jpeg: "a picture",
};

/** A JSON file is a configuration when it is one object of settings, and a dataset when it is a list or several lines. */
export function isConfigJson(text: string): boolean {
  const start = text.trimStart();
  if (!start.startsWith("{")) return false;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return false;
    return !Object.values(value).some(
      (part) =>
        Array.isArray(part) &&
        part.length > 0 &&
        typeof part[0] === "object" &&
        !("type" in (part[0] ?? {})) &&
        !("name" in (part[0] ?? {})),
    );
  } catch {
    // Several objects, one a line, are a dataset. A broken configuration is better looked at in the review.
    return !/\}\s*\n\s*\{/.test(text);
  }
}

const folderOf = (file: File, otherwise: string): string =>
  (file as File & { webkitRelativePath?: string }).webkitRelativePath?.split("/")[0] || otherwise;

/** Says what the files are and what they can be used for. */
export async function recognise(files: readonly File[]): Promise<Recognised> {
  const [first] = files;
  if (!first) return { kind: "unknown", why: `There was no file. ${ACCEPTED_WORDS}` };
  const weights = files.find(({ name }) => name.endsWith(".safetensors"));
  if (weights && files.some(({ name }) => name === "config.json"))
    return { kind: "model", name: folderOf(weights, "dropped-model"), files };
  if (weights && files.some(({ name }) => name === "adapter_config.json"))
    return { kind: "adapter", name: folderOf(weights, "dropped-adapter"), files };
  if (weights)
    return {
      kind: "unknown",
      why: `${weights.name} holds weights. A model also needs its config.json and tokenizer files, an adapter its adapter_config.json: drop all of them together.`,
    };
  const data = files.filter(isData);
  if (files.length > 1 && data.length > 1)
    return { kind: "data folder", name: folderOf(first, "dropped-data"), files: data };
  const [only] = data;
  if (
    files.length > 1 &&
    only &&
    files.every((file) => file === only || ABOUT.test(file.name) || file.name.startsWith("."))
  )
    return recognise([only]);
  if (files.length > 1)
    return {
      kind: "unknown",
      why: `These are ${files.length} files. Drop one configuration or one dataset.`,
    };
  switch (endingOf(first.name)) {
    case "yaml":
    case "yml":
      return { kind: "config", file: first };
    case "json":
      return isConfigJson(await first.text())
        ? { kind: "config", file: first }
        : { kind: "dataset", file: first };
    case "jsonl":
    case "ndjson":
    case "csv":
    case "tsv":
    case "parquet":
    case "txt":
      return { kind: "dataset", file: first };
    default: {
      const what = KINDS[endingOf(first.name)];
      return {
        kind: "unknown",
        why: `${first.name} is ${what ?? "of a kind we do not know"}. ${ACCEPTED_WORDS}`,
      };
    }
  }
}
