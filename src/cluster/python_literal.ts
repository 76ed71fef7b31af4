/** A value as Python writes it: None, True, floats that stay floats. Throws for what has no literal, such as NaN. */
export function pythonLiteral(value: unknown, indent = ""): string {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number") return pythonNumber(value);
  if (typeof value === "string") return pythonText(value);
  const inner = `${indent}    `;
  if (Array.isArray(value)) {
    const items = value.map((item) => pythonLiteral(item, inner));
    const line = `[${items.join(", ")}]`;
    return line.length <= 100 && !line.includes("\n") ? line : lines("[", items, "]", indent);
  }
  const items = Object.entries(value).map(
    ([key, item]) => `${pythonText(key)}: ${pythonLiteral(item, inner)}`,
  );
  return items.length === 0 ? "{}" : lines("{", items, "}", indent);
}

function lines(open: string, items: readonly string[], close: string, indent: string): string {
  return [open, ...items.map((item) => `${indent}    ${item},`), indent + close].join("\n");
}

function pythonNumber(value: number): string {
  if (!Number.isFinite(value)) throw new RangeError(`${value} has no literal in Python`);
  return Object.is(value, -0) ? "-0.0" : String(value);
}

/** Escapes of JSON are escapes of Python, but for characters that JSON leaves as they are and pairs of surrogates. */
function pythonText(text: string): string {
  return JSON.stringify(text).replace(/[\u007f-\uffff]/g, (sign) => {
    const code = sign.charCodeAt(0);
    return `\\u${code.toString(16).padStart(4, "0")}`;
  });
}
