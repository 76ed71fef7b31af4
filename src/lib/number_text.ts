/** JSON whose numbers may be NaN or infinite: a checkpoint's own numbers are finite, and a skipped step's loss is not. */
export function numbersToText(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) =>
    typeof item === "number" && !Number.isFinite(item) ? { notFinite: String(item) } : item,
  );
}

export function numbersFromText(text: string): unknown {
  return JSON.parse(text, (_, item: unknown) =>
    typeof item === "object" && item !== null && "notFinite" in item ? Number(item.notFinite) : item,
  );
}
