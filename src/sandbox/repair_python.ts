export interface RepairedPython {
  readonly code: string;
  /** What was changed, for people: a line each. */
  readonly changed: readonly string[];
}

/** What begins a block, whatever stands in it; functions and classes are left out, since their first line may be a text. */
const OPENS = /^(\s*)(?:if|elif|else|for|while|with|try|except|finally)\b.*:\s*(?:#.*)?$/;
/** After one of these nothing of its block can follow. */
const ENDS = /^(\s*)(?:return|raise|continue|break|pass)\b/;

/**
 * Python from a document that lost its indentation: a line that ends a block, at the same depth as the line that opens it. It
 * can only be the whole of that block, so it is moved in. Where more than such lines would have to move, what belongs to the
 * block cannot be known: the code stays as it is, and Python says what is wrong with it. Undefined when nothing is changed.
 */
export function repairPython(code: string): RepairedPython | undefined {
  const lines = code.split("\n");
  const changed: string[] = [];
  let opener: string | undefined;
  for (const [i, line] of lines.entries()) {
    if (line.trim() === "" || line.trim().startsWith("#")) continue;
    const depth = /^\s*/.exec(line)?.[0] ?? "";
    if (opener !== undefined && depth === opener) {
      if (!ENDS.test(line)) return undefined;
      lines[i] = `${depth}    ${line.trimStart()}`;
      changed.push(
        `Line ${i + 1}, "${line.trim()}", was moved into the block that the line before it opens.`,
      );
    } else if (opener !== undefined && depth.length < opener.length) return undefined;
    opener = OPENS.exec(line)?.[1];
  }
  return changed.length === 0 ? undefined : { code: lines.join("\n"), changed };
}
