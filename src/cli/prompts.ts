import type { Message, Row } from "../data/message.ts";
import { readRows } from "../data/rows.ts";
import type { Host } from "../host/host.ts";
import { AppError } from "../lib/errors.ts";

/** A text, or the turns of a conversation so far. */
export type Prompt = string | readonly Message[];

/**
 * Prompts of a file: every line of a .txt; `prompt` (text or turns), `messages` (the answer at their end left out) or
 * `text` of every row of a .jsonl or .json. Throws `file-missing`, `dataset-invalid` naming the line.
 */
export async function readPrompts(host: Pick<Host, "openDataset">, path: string): Promise<Prompt[]> {
  const { rows, lines, problems } = await readRows(await host.openDataset(path));
  const [problem] = problems;
  if (problem) throw new AppError("dataset-invalid", `${path}: ${problem.message}`);
  return rows.map((row, i) => promptOf(row, `${path}, line ${lines[i]}`));
}

function promptOf(row: Row, where: string): Prompt {
  const value = row["prompt"] ?? row["messages"] ?? row["text"];
  if (typeof value === "string" && value !== "") return value;
  if (Array.isArray(value) && value.length > 0 && value.every(isMessage)) {
    const turns = value.at(-1)?.role === "assistant" ? value.slice(0, -1) : value;
    if (turns.length > 0) return turns;
  }
  throw new AppError(
    "dataset-invalid",
    `${where}: there is no prompt. A row has "prompt" (a text or a list of {role, content}), "messages" or "text".`,
  );
}

function isMessage(value: unknown): value is Message {
  if (typeof value !== "object" || value === null) return false;
  const { role, content } = value as Partial<Message>;
  return typeof role === "string" && typeof content === "string";
}
