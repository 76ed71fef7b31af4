/** Pasted rows as a file whose name says what they are, so that they are read like one. */
export function pastedFile(text: string): File {
  const ending = endingOf(text.trim());
  return new File([text], `pasted.${ending}`, { type: "text/plain", lastModified: text.length });
}

/** JSON lines, a JSON list, CSV when all of the first lines have as many commas as the header, text otherwise. */
export function endingOf(text: string): "jsonl" | "json" | "csv" | "tsv" | "txt" {
  if (text.startsWith("[")) return "json";
  if (text.startsWith("{")) return "jsonl";
  const [header = "", second] = text.split("\n");
  if (second === undefined) return "txt";
  if (header.includes("\t") && second.includes("\t")) return "tsv";
  const named = /^["\w -]+(,["\w -]+)+\r?$/.test(header);
  return named && second.includes(",") ? "csv" : "txt";
}
