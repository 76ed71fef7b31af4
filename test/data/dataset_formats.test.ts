import { describe, expect, it } from "vitest";
import { type ExampleOptions, readExamples } from "../../src/data/dataset_formats.ts";
import type { Row } from "../../src/data/message.ts";
import { readRows } from "../../src/data/rows.ts";
import { assetOf } from "./support/files.ts";

async function read(rows: readonly unknown[], options: Partial<ExampleOptions> = {}) {
  const text = rows.map((row) => JSON.stringify(row)).join("\n");
  const file = await readRows(assetOf("d.jsonl", text));
  return readExamples(file, { purpose: "sft", hasTemplate: true, ...options });
}

async function first(row: Row, options: Partial<ExampleOptions> = {}) {
  const { row: kept, rowIndex, ...body } = (await read([row], options)).examples[0] ?? {};
  expect(kept).toEqual(row);
  expect(rowIndex).toBe(0);
  return body;
}

const user = (content: string) => ({ role: "user", content });
const assistant = (content: string) => ({ role: "assistant", content });
const system = (content: string) => ({ role: "system", content });

describe("what rows look like", () => {
  it("text stays plain", async () => {
    expect(await first({ text: " a " })).toEqual({ kind: "text", text: " a " });
  });

  it("prompt and completion stay plain; lists of messages stay conversations", async () => {
    expect(await first({ prompt: "1+1=", completion: " 2" })).toEqual({
      kind: "prompt_completion",
      prompt: "1+1=",
      completion: " 2",
    });
    expect(await first({ prompt: [user("a")], completion: [assistant("b")] })).toEqual({
      kind: "prompt_completion",
      prompt: [user("a")],
      completion: [assistant("b")],
    });
  });

  it("messages, also as JSON text in a CSV", async () => {
    const messages = [user("a"), assistant("b")];
    expect(await first({ messages })).toEqual({ kind: "messages", messages });
    expect(await first({ messages: JSON.stringify(messages) })).toEqual({ kind: "messages", messages });
  });

  it("messages of parts, and extra keys that a template may use", async () => {
    const messages = [
      {
        role: "user",
        content: [
          { type: "text", text: "a" },
          { type: "text", text: "b" },
        ],
      },
      { role: "assistant", content: null, tool_calls: [{ name: "f" }], weight: null },
    ];
    expect(await first({ messages })).toEqual({
      kind: "messages",
      messages: [user("ab"), { role: "assistant", content: "", tool_calls: [{ name: "f" }] }],
    });
  });

  it("ShareGPT's speakers", async () => {
    const conversations = [
      { from: "human", value: "a" },
      { from: "gpt", value: "b" },
    ];
    expect(await first({ conversations, system: "s" })).toEqual({
      kind: "messages",
      messages: [system("s"), user("a"), assistant("b")],
    });
  });

  it("Alpaca and Dolly become conversations", async () => {
    expect(await first({ instruction: "Add", input: "1, 2", output: "3" })).toEqual({
      kind: "prompt_completion",
      prompt: [user("Add\n\n1, 2")],
      completion: [assistant("3")],
    });
    expect(await first({ instruction: "Add", context: "", response: "3", category: "x" })).toEqual({
      kind: "prompt_completion",
      prompt: [user("Add")],
      completion: [assistant("3")],
    });
  });

  it("without a chat template they take Alpaca's form", async () => {
    expect(await first({ instruction: "Add", input: "1, 2", output: "3" }, { hasTemplate: false })).toEqual({
      kind: "prompt_completion",
      prompt: "### Instruction:\nAdd\n\n### Input:\n1, 2\n\n### Response:\n",
      completion: "3",
    });
  });

  it("question and answer, prompt and response; numbers are written out", async () => {
    const body = { kind: "prompt_completion", prompt: [user("1+1?")], completion: [assistant("2")] };
    expect(await first({ question: "1+1?", answer: 2 })).toEqual(body);
    expect(await first({ prompt: "1+1?", response: "2" })).toEqual(body);
  });

  it("preference rows, with their prompt or without", async () => {
    const options = { purpose: "preference" } as const;
    expect(await first({ prompt: "p", chosen: "c", rejected: "r" }, options)).toEqual({
      kind: "preference",
      prompt: "p",
      chosen: "c",
      rejected: "r",
    });
    const chosen = [user("a"), assistant("b")];
    expect(await first({ chosen, rejected: chosen }, options)).toMatchObject({ prompt: undefined, chosen });
  });
});

describe("prompts of the reward methods", () => {
  const options = { purpose: "prompt" } as const;
  const asks = (prompt: unknown, reference: string | null) => ({ kind: "prompt", prompt, reference });

  it("a question and its answer, as SFT asks it", async () => {
    const row = { question: "1+1?", answer: "It is 2.\n#### 2" };
    expect(await first(row, options)).toEqual(asks([user("1+1?")], row.answer));
    expect(await first({ prompt: "p", answer: 42 }, options)).toEqual(asks([user("p")], "42"));
    expect(await first({ instruction: "Add", input: "1, 2", output: "3" }, options)).toEqual(
      asks([user("Add\n\n1, 2")], "3"),
    );
    expect(await first({ question: "q", answer: "a" }, { ...options, hasTemplate: false })).toEqual(
      asks("### Instruction:\nq\n\n### Response:\n", "a"),
    );
  });

  it("a prompt alone stays as it is, text or conversation", async () => {
    expect(await first({ prompt: "p" }, options)).toEqual(asks("p", null));
    expect(await first({ prompt: [user("p")], answer: "176" }, options)).toEqual(asks([user("p")], "176"));
    expect(await first({ prompt: "p", solution: "x = 2" }, options)).toEqual(asks("p", "x = 2"));
  });

  it("prompt and completion: the completion is what to compare with", async () => {
    expect(await first({ prompt: "1+1=", completion: " 2" }, options)).toEqual(asks("1+1=", " 2"));
    const row = { prompt: [system("s"), user("a")], completion: [assistant("b")] };
    expect(await first(row, options)).toEqual(asks(row.prompt, "b"));
  });

  it("messages: the last answer is taken off and is the reference, unless a column says it better", async () => {
    const messages = [system("s"), user("a"), assistant("b"), user("c"), assistant("d 🦆")];
    expect(await first({ messages }, options)).toEqual(asks(messages.slice(0, 4), "d 🦆"));
    expect(await first({ messages, solution: "7" }, options)).toMatchObject({ reference: "7" });
    expect(await first({ messages: messages.slice(0, 4) }, options)).toEqual(
      asks(messages.slice(0, 4), null),
    );
    const conversations = [
      { from: "human", value: [{ type: "text", text: "a" }] },
      { from: "gpt", value: "b" },
    ];
    expect(await first({ conversations }, options)).toEqual(asks([user("a")], "b"));
  });

  it("a conversation in which nothing is asked is a problem", async () => {
    const set = await read([{ messages: [system("s"), assistant("b")] }, { messages: [user("a")] }], options);
    expect(set.problems).toEqual([
      { line: 1, kind: "empty", message: "Line 1: nothing is asked before the answer." },
    ]);
  });

  it("the most telling of several answers; what is blank or no text is none", async () => {
    const answers = { label: true, answer: "long", ground_truth: "42", reference: " " };
    expect(await first({ question: "q", ...answers }, options)).toMatchObject({ reference: "42" });
    expect(await first({ question: "q", answer: { value: [1] }, target: null }, options)).toMatchObject({
      reference: null,
    });
    expect(await first({ prompt: "p", label: false }, options)).toMatchObject({ reference: "false" });
  });

  it("a task and its code: the text asks, the code answers", async () => {
    expect(await first({ text: "Write f", code: "def f(): 0" }, options)).toEqual(
      asks([user("Write f")], "def f(): 0"),
    );
  });

  it.each<[Row, Record<string, string>]>([
    [
      { question: "q", answer: "a" },
      { question: "prompt", answer: "response" },
    ],
    [
      { question: "q", answer: "a" },
      { prompt: "question", response: "answer" },
    ],
    [
      { question: "q", answer: "a" },
      { question: "prompt", answer: "reference" },
    ],
    [
      { question: "q", answer: "a" },
      { prompt: "question", solution: "answer" },
    ],
    [
      { text: "q", code: "a" },
      { text: "prompt", code: "response" },
    ],
    [
      { text: "q", code: "a" },
      { prompt: "text", response: "code" },
    ],
    [
      { problem: "q", final: "a", answer: "no" },
      { problem: "prompt", final: "ground_truth" },
    ],
  ])("%j mapped by %j", async (row, columnMapping) => {
    const body = await first(row, { ...options, columnMapping });
    expect(body).toMatchObject({ kind: "prompt", reference: "a" });
    expect(JSON.stringify(body)).toContain('"q"');
  });
});

describe("preference rows", () => {
  const options = { purpose: "preference" } as const;

  it("other names of the two answers", async () => {
    const row = { question: "q", winner: "c", loser: "r" };
    expect(await first(row, options)).toEqual({
      kind: "preference",
      prompt: "q",
      chosen: "c",
      rejected: "r",
    });
  });

  it("a prompt that the answers repeat is taken from them", async () => {
    const chosen = [user("q"), assistant("c")];
    const rejected = [user("q"), assistant("r")];
    const read = await first({ prompt: "q", chosen, rejected }, { ...options, systemPrompt: "s" });
    expect(read).toEqual({
      kind: "preference",
      prompt: undefined,
      chosen: [system("s"), ...chosen],
      rejected: [system("s"), ...rejected],
    });
  });

  it("rows without two answers: what was sought, what is there, and how to make them", async () => {
    const refused = read([{ question: "q", answer: "a" }], options);
    await expect(refused).rejects.toMatchObject({ code: "dataset-invalid" });
    await expect(refused).rejects.toThrow(
      "d.jsonl has the columns question, answer; sought were chosen and rejected (and prompt). These look like question and answer rows, which this algorithm does not train on. " +
        "1 of 3 needed columns found: question as the prompt. Missing: chosen (or chosen_response, better_response, winner); rejected (or rejected_response, worse_response, loser). " +
        "If two columns hold a better and a worse answer, name them with column_mapping, for example {question: chosen, answer: rejected}. If not, write a processing_fn that makes prompt, chosen and rejected of a row.",
    );
  });

  it("a row without one of its answers, or with an empty one, is a problem", async () => {
    const set = await read(
      [
        { prompt: "p", chosen: "c", rejected: "r" },
        { prompt: "p", chosen: "c", rejected: null },
        { prompt: "p", chosen: " ", rejected: "r" },
      ],
      options,
    );
    expect(set.problems.map(({ message }) => message)).toEqual([
      "Line 2: `rejected` is missing.",
      "Line 3: `chosen` is empty.",
    ]);
  });
});

describe("system_prompt", () => {
  const options = { systemPrompt: "Be brief." };

  it("comes first in conversations that have none", async () => {
    expect(await first({ question: "q", answer: "a" }, options)).toMatchObject({
      prompt: [system("Be brief."), user("q")],
    });
    expect(await first({ messages: [system("s"), user("a")] }, options)).toMatchObject({
      messages: [system("s"), user("a")],
    });
  });

  it("makes a plain prompt the question of a conversation, for the reward methods", async () => {
    expect(await first({ prompt: "p" }, { ...options, purpose: "prompt" })).toEqual({
      kind: "prompt",
      prompt: [system("Be brief."), user("p")],
      reference: null,
    });
    const bare = { ...options, purpose: "prompt", hasTemplate: false } as const;
    expect(await first({ prompt: "p" }, bare)).toEqual({ kind: "prompt", prompt: "p", reference: null });
  });

  it("is not put into plain text, and that is said", async () => {
    const set = await read([{ prompt: "p", completion: "c" }], options);
    expect(set.examples[0]).toMatchObject({ prompt: "p" });
    expect(set.notes).toEqual(["system_prompt is not used: these rows are plain text, not conversations."]);
  });
});

describe("column_mapping", () => {
  const rows = [{ question: "q", answer: "a", level: 3 }];

  it.each([
    ["column to role", { question: "instruction", answer: "response" }, "column-to-role"],
    ["role to column", { instruction: "question", response: "answer" }, "role-to-column"],
  ])("%s", async (_, columnMapping, direction) => {
    const set = await read(rows, { columnMapping });
    expect(set.mapping.direction).toBe(direction);
    expect(set.format.id).toBe("instruction");
    expect(set.examples[0]).toMatchObject({
      prompt: [user("q")],
      completion: [assistant("a")],
      row: { question: "q", answer: "a", level: 3 },
    });
  });

  it("AlignTune's MBPP example: text is the prompt, code the response", async () => {
    const set = await read([{ text: "Write f", code: "def f(): 0" }], {
      columnMapping: { text: "prompt", code: "response" },
    });
    expect(set.examples[0]).toMatchObject({
      prompt: [user("Write f")],
      completion: [assistant("def f(): 0")],
    });
  });

  it("columns of both names: the side that are no roles are the columns", async () => {
    const both = [{ prompt: "old", title: "new", completion: "c" }];
    const set = await read(both, { columnMapping: { prompt: "title" } });
    expect(set.mapping.direction).toBe("role-to-column");
    expect(set.examples[0]).toMatchObject({ prompt: "new" });
  });

  it("a column that is not there: what was sought, what is there, what is nearest", async () => {
    const wrong = read(rows, { columnMapping: { questoin: "prompt", answer: "completion" } });
    await expect(wrong).rejects.toMatchObject({
      code: "dataset-invalid",
      message:
        "column_mapping names questoin, which the dataset does not have. Its columns are question, answer, level. Did you mean question for questoin?",
    });
  });
});

describe("rows that do not fit", () => {
  it("are problems with their lines, and the others are used", async () => {
    const set = await read([
      { messages: [user("a"), assistant("b")] },
      { messages: [] },
      { messages: "x" },
      { messages: [{ role: "wizard", content: "a" }] },
      { messages: [{ content: "a" }] },
      { messages: [{ role: "user" }] },
      { messages: [{ role: "user", content: [{ type: "image" }] }] },
      { other: 1 },
      { messages: [user("c")] },
    ]);
    expect(set.examples.map(({ rowIndex }) => rowIndex)).toEqual([0, 8]);
    expect(set.problems.map(({ line, kind }) => [line, kind])).toEqual([
      [2, "empty"],
      [3, "wrong-type"],
      [4, "role"],
      [5, "role"],
      [6, "empty"],
      [7, "wrong-type"],
      [8, "missing-column"],
    ]);
    expect(set.problems[6]?.message).toBe("Line 8: `messages` is missing.");
  });

  it("an empty answer is named", async () => {
    const set = await read([
      { question: "q", answer: "a" },
      { question: "q", answer: " " },
    ]);
    expect(set.problems).toEqual([{ line: 2, kind: "empty", message: "Line 2: `answer` is empty." }]);
  });

  it("problems of the file and of the format are counted together", async () => {
    const file = await readRows(assetOf("d.jsonl", '{"text":"a"}\nnonsense\n{"text":""}\n'));
    const set = readExamples(file, { purpose: "sft", hasTemplate: true });
    expect(set.problemCounts).toEqual({ syntax: 1, empty: 1 });
    expect(set.problemTotal).toBe(2);
  });

  it("none usable: refused, with the columns and the first reason", async () => {
    await expect(read([{ text: "" }])).rejects.toThrow(
      /No row of d.jsonl is usable as text.*`text` is empty/s,
    );
  });
});

describe("columns that mean nothing", () => {
  it("are refused with what was sought", async () => {
    await expect(read([{ foo: 1 }])).rejects.toMatchObject({ code: "dataset-invalid" });
    await expect(read([{ foo: 1 }])).rejects.toThrow(
      /has the columns foo; sought were prompt and completion;/,
    );
  });

  it("rows of another algorithm are called by their name", async () => {
    await expect(read([{ prompt: "p", chosen: "c", rejected: "r" }])).rejects.toThrow(
      /look like preference rows/,
    );
  });
});
