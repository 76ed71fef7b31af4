import { isRecord } from "../formats/json.ts";
import type { ExampleBody, Turns } from "./example.ts";
import type { Message, Row } from "./message.ts";
import { addSystem, ask, QUESTION, SYSTEM, withSystem } from "./read_row.ts";
import { columnOf, needText, needTurns, optionalText, RowRefusal } from "./row_fields.ts";
import { has, type ReadOptions, type RowFormat } from "./row_format.ts";
import { answered, isTranscript, readTranscript, readTranscriptPair } from "./transcript.ts";

/** Names for the better and the worse of two answers (AlignTune's). */
const PAIRS: readonly (readonly [chosen: string, rejected: string])[] = [
  ["chosen", "rejected"],
  ["chosen_response", "rejected_response"],
  ["better_response", "worse_response"],
  ["winner", "loser"],
  ["response_j", "response_k"],
  ["positive", "negative"],
  ["good", "bad"],
  ["chosen_text", "rejected_text"],
];
const PAIR_NEEDS = "chosen and rejected (and prompt)";
/** What the two answers reply to. */
const ASKED = ["prompt", "instruction", ...QUESTION, "input", "user_input"];

export const PREFERENCE_FORMATS: readonly RowFormat[] = [
  {
    id: "hh_rlhf",
    special: true,
    label: "pairs of transcripts (HH-RLHF)",
    purposes: ["preference", "prompt"],
    needs: PAIR_NEEDS,
    columns: ["chosen", "rejected"],
    fits: ({ columns, rows }) =>
      has(columns, "chosen", "rejected") &&
      !columns.includes("prompt") &&
      rows.some((row) => isTranscript(row["chosen"]) && isTranscript(row["rejected"])),
    read: transcripts,
  },
  {
    id: "ultrafeedback",
    special: true,
    label: "scored answers (UltraFeedback)",
    purposes: ["preference", "sft", "prompt"],
    needs: "instruction and completions with their scores",
    columns: ["instruction", "completions", ...SYSTEM],
    fits: ({ columns, rows }) =>
      has(columns, "instruction", "completions") &&
      rows.some((row) => Array.isArray(row["completions"]) && row["completions"].some(isRecord)),
    read: scored,
  },
  {
    id: "human_like_dpo",
    special: true,
    label: "preference (Human-Like-DPO)",
    purposes: ["preference"],
    needs: PAIR_NEEDS,
    columns: ["prompt", "chosen", "rejected", ...SYSTEM],
    fits: ({ columns, name }) =>
      /human[-_]like[-_]dpo/i.test(name) && has(columns, "prompt", "chosen", "rejected"),
    // Its texts begin and end with blanks and line breaks that are no part of what was said.
    read: (row, options) =>
      preference({ ...row, ...trimmed(row, ["prompt", "chosen", "rejected"]) }, options),
  },
  {
    id: "preference",
    label: "preference",
    purposes: ["preference"],
    needs: PAIR_NEEDS,
    columns: [...ASKED, ...SYSTEM, ...PAIRS.flat()],
    fits: ({ columns }) => PAIRS.some((pair) => has(columns, ...pair)),
    read: preference,
  },
];

const trimmed = (row: Row, names: readonly string[]): Row =>
  Object.fromEntries(
    names.map((name) => {
      const value = row[name];
      return [name, typeof value === "string" ? value.trim() : value];
    }),
  );

/** Two answers to one prompt. Where no column has the prompt, the answers are whole conversations or texts. */
function preference(row: Row, options: ReadOptions): ExampleBody {
  const [chosen, rejected] = PAIRS.find((pair) => has(Object.keys(row), ...pair)) ?? ["chosen", "rejected"];
  const better = needTurns(row, chosen);
  const worse = needTurns(row, rejected);
  const first = columnOf(row, ASKED);
  // Files such as ultrafeedback_binarized repeat the prompt, as text, beside answers that hold it too.
  if (
    first === undefined ||
    (typeof needTurns(row, first) === "string" && isWhole(better) && isWhole(worse))
  ) {
    return {
      kind: "preference",
      prompt: undefined,
      chosen: withSystem(better, options),
      rejected: withSystem(worse, options),
    };
  }
  const asked = needTurns(row, first);
  const system = typeof asked === "string" && options.hasTemplate ? optionalText(row, SYSTEM)?.trim() : "";
  // A system message has a place in conversations alone.
  if (typeof asked === "string" && system) {
    return {
      kind: "preference",
      prompt: addSystem([{ role: "user", content: asked }], system),
      chosen: asAnswer(better),
      rejected: asAnswer(worse),
    };
  }
  return { kind: "preference", prompt: withSystem(asked, options), chosen: better, rejected: worse };
}

const asAnswer = (turns: Turns): Turns =>
  typeof turns === "string" ? [{ role: "assistant", content: turns }] : turns;

/** Whether a conversation begins before the answer. */
function isWhole(turns: Turns): boolean {
  return typeof turns !== "string" && turns.length > 1 && turns[0]?.role !== "assistant";
}

/** Every turn is kept: as a conversation where the model has a chat template, else as the text that it is. */
function transcripts(row: Row, options: ReadOptions): ExampleBody {
  const chosen = needText(row, ["chosen"]);
  if (options.purpose === "prompt") {
    const { prompt } = answered(readTranscript(chosen, "`chosen`"), "`chosen`");
    return { kind: "prompt", prompt: opened(prompt, options), reference: null };
  }
  const pair = readTranscriptPair(chosen, needText(row, ["rejected"]));
  const answer = ({ content }: Message): Turns =>
    options.hasTemplate ? [{ role: "assistant", content }] : ` ${content}`;
  return {
    kind: "preference",
    prompt: opened(pair.prompt, options),
    chosen: answer(pair.chosen),
    rejected: answer(pair.rejected),
  };
}

function opened(turns: readonly Message[], options: ReadOptions): Turns {
  if (options.hasTemplate) return addSystem(turns, options.systemPrompt);
  const written = turns.map(
    ({ role, content }) => `\n\n${role === "user" ? "Human" : "Assistant"}: ${content}`,
  );
  return `${written.join("")}\n\nAssistant:`;
}

interface Scored {
  readonly text: string;
  readonly score: number;
}

/** The best answer of several, and for pairs the worst beside it. */
function scored(row: Row, options: ReadOptions): ExampleBody {
  const question = needText(row, ["instruction"]);
  if (options.purpose === "prompt") return ask(row, options, { question, answer: () => "" });
  const answers = readScored(row["completions"]);
  const best = answers.reduce((a, b) => (b.score > a.score ? b : a));
  const asked = ask(row, { ...options, purpose: "sft" }, { question, answer: () => best.text });
  if (options.purpose === "sft" || asked.kind !== "prompt_completion") return asked;
  const worst = answers.reduce((a, b) => (b.score < a.score ? b : a));
  if (worst.score === best.score)
    throw new RowRefusal(
      "group",
      `all answers of \`completions\` have the score ${best.score}, so none is better.`,
    );
  const rejected = options.hasTemplate ? [{ role: "assistant", content: worst.text }] : worst.text;
  return { kind: "preference", prompt: asked.prompt, chosen: asked.completion, rejected };
}

function readScored(value: unknown): [Scored, ...Scored[]] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [];
  const answers = list.flatMap((item) => {
    if (!isRecord(item) || typeof item["response"] !== "string" || item["response"].trim() === "") return [];
    const score = scoreOf(item);
    return score === undefined ? [] : [{ text: item["response"], score }];
  });
  const [first, ...others] = answers;
  if (first === undefined)
    throw new RowRefusal(
      "empty",
      "`completions` holds no answer with a response and a score (overall_score).",
    );
  return [first, ...others];
}

/** The overall score, else the mean of the ratings. */
function scoreOf(item: Readonly<Record<string, unknown>>): number | undefined {
  for (const name of ["overall_score", "overall", "score", "fine-grained_score"]) {
    const score = numberOf(item[name]);
    if (score !== undefined) return score;
  }
  const annotations = isRecord(item["annotations"]) ? Object.values(item["annotations"]) : [];
  const ratings = annotations.flatMap((annotation) => {
    const rating = isRecord(annotation) ? numberOf(annotation["Rating"]) : undefined;
    return rating === undefined ? [] : [rating];
  });
  return ratings.length === 0 ? undefined : ratings.reduce((sum, rating) => sum + rating, 0) / ratings.length;
}

/** Ratings are texts in some files, and "N/A" where there is none. */
function numberOf(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : Number.NaN;
  return Number.isFinite(number) ? number : undefined;
}
