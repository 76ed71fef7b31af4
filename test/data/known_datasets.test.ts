import { describe, expect, it } from "vitest";
import { type ExampleOptions, readExamples } from "../../src/data/dataset_formats.ts";
import type { Row } from "../../src/data/message.ts";
import { ROW_FORMATS } from "../../src/data/row_formats.ts";
import { readRows } from "../../src/data/rows.ts";
import { assetOf } from "./support/files.ts";

/** Rows with the columns of the datasets that they are named after; the words are our own. */

const user = (content: string) => ({ role: "user", content });
const assistant = (content: string) => ({ role: "assistant", content });
const system = (content: string) => ({ role: "system", content });
const sft = (prompt: unknown, completion: unknown) => ({ kind: "prompt_completion", prompt, completion });

async function read(rows: readonly Row[], options: Partial<ExampleOptions> = {}) {
  const file = await readRows(assetOf("d.jsonl", rows.map((row) => JSON.stringify(row)).join("\n")));
  return readExamples(file, { purpose: "sft", hasTemplate: true, ...options });
}

async function one(row: Row, options: Partial<ExampleOptions> = {}) {
  const set = await read([row], options);
  const [example] = set.examples;
  if (example === undefined) throw new Error("the row is read");
  const { columns } = ROW_FORMATS.find(({ id }) => id === set.format.id) ?? { columns: [] };
  const inUse = new Set([...columns, ...set.mapping.roles.values()]);
  if (options.purpose !== "prompt") {
    // What a format says of its columns is true: without the others the row is read the same.
    const less = Object.fromEntries(Object.entries(row).filter(([name]) => inUse.has(name)));
    expect((await read([less], options)).examples[0]).toEqual({ ...example, row: less });
  }
  return { format: set.format.id, ...example };
}

const problemOf = async (row: Row, good: Row, options: Partial<ExampleOptions> = {}) =>
  (await read([row, good], options)).problems.map(({ message }) => message);

const preference = { purpose: "preference" } as const;
const prompt = { purpose: "prompt" } as const;

describe("instructions", () => {
  it("tatsu-lab/alpaca: its text column is not taken for the text", async () => {
    const row = {
      instruction: "Name the larger number.",
      input: "3, 8",
      output: "8",
      text: "Below is an instruction... ### Response:\n8",
    };
    expect(await one(row)).toMatchObject({
      format: "instruction",
      ...sft([user("Name the larger number.\n\n3, 8")], [assistant("8")]),
    });
    expect(await one(row, { taskType: "text_generation" })).toMatchObject({ kind: "text", text: row.text });
  });

  it("Alpaca with a system message and a history of pairs", async () => {
    const row = {
      instruction: "And 2+2?",
      input: "",
      output: "4",
      system: "Be brief.",
      history: [["1+1?", "2"]],
    };
    expect(await one(row)).toMatchObject(
      sft([system("Be brief."), user("1+1?"), assistant("2"), user("And 2+2?")], [assistant("4")]),
    );
    expect(await problemOf({ ...row, history: ["1+1?"] }, row)).toEqual([
      "Line 1: `history` is not a list of pairs of question and answer.",
    ]);
  });

  it("databricks/databricks-dolly-15k", async () => {
    const row = {
      instruction: "When did it open?",
      context: "The mill opened in 1901.",
      response: "In 1901.",
      category: "closed_qa",
    };
    expect(await one(row)).toMatchObject(
      sft([user("When did it open?\n\nThe mill opened in 1901.")], [assistant("In 1901.")]),
    );
    expect(await one(row, prompt)).toMatchObject({ kind: "prompt", reference: "In 1901." });
  });

  it("Open-Orca/OpenOrca: its system_prompt begins the conversation", async () => {
    const row = { id: "niv.1", system_prompt: "You are kind.", question: "Hi?", response: "Hello." };
    expect(await one(row)).toMatchObject(sft([system("You are kind."), user("Hi?")], [assistant("Hello.")]));
  });
});

describe("conversations", () => {
  const conversations = [
    { from: "system", value: "Be kind." },
    { from: "human", value: "Hi" },
    { from: "gpt", value: "Hello." },
  ];

  it("ShareGPT, with weights as SlimOrca has", async () => {
    expect(
      await one({ conversations: conversations.map((turn) => ({ ...turn, weight: null })) }),
    ).toMatchObject({
      format: "sharegpt",
      messages: [system("Be kind."), user("Hi"), assistant("Hello.")],
    });
  });

  it("ShareGPT with a call of a tool is refused in words", async () => {
    const call = [
      { from: "human", value: "Weather?" },
      { from: "function_call", value: '{"name": "weather"}' },
      { from: "observation", value: "Rain." },
      { from: "gpt", value: "It rains." },
    ];
    expect(await problemOf({ conversations: call }, { conversations })).toEqual([
      'Line 1: `conversations`, message 2 calls a tool ("function_call"), which has no form in a chat template. Leave such rows out, or write them as messages with tool_calls in a processing_fn.',
    ]);
  });

  it("HuggingFaceH4/ultrachat_200k: every turn, not the prompt column", async () => {
    const messages = [user("a"), assistant("b"), user("c"), assistant("d")];
    const row = { prompt: "a", prompt_id: "f0e37e9f", messages };
    expect(await one(row)).toMatchObject({ format: "messages", messages });
    expect(await one(row, prompt)).toMatchObject({ prompt: messages.slice(0, 3), reference: "d" });
    expect(await one(row, { taskType: "instruction_following" })).toMatchObject({
      format: "messages",
      messages,
    });
  });
});

describe("preference", () => {
  const hh = (...turns: string[]) =>
    turns.map((turn, i) => `\n\n${i % 2 === 0 ? "Human" : "Assistant"}: ${turn}`).join("");

  it("Anthropic/hh-rlhf: every turn is kept", async () => {
    const shared = ["How do I bake bread?", "With flour.", "And then?"];
    const row = { chosen: hh(...shared, "Let it rise.\n\nThen bake."), rejected: hh(...shared, "No idea.") };
    const turns = [user(shared[0] ?? ""), assistant("With flour."), user("And then?")];
    expect(await one(row, preference)).toMatchObject({
      format: "hh_rlhf",
      prompt: turns,
      chosen: [assistant("Let it rise.\n\nThen bake.")],
      rejected: [assistant("No idea.")],
    });
    expect(await one(row, { ...preference, systemPrompt: "s" })).toMatchObject({
      prompt: [system("s"), ...turns],
    });
    expect(await one(row, { ...preference, hasTemplate: false })).toMatchObject({
      prompt: `${hh(...shared)}\n\nAssistant:`,
      chosen: " Let it rise.\n\nThen bake.",
      rejected: " No idea.",
    });
    expect(await one(row, prompt)).toMatchObject({ kind: "prompt", prompt: turns, reference: null });
  });

  it("two turns of one speaker in a row become one", async () => {
    const start = "\n\nHuman: a\n\nHuman: b\n\nAssistant: c\n\nAssistant: ";
    expect(await one({ chosen: `${start}d`, rejected: `${start}e` }, preference)).toMatchObject({
      prompt: [user("a\n\nb")],
      chosen: [assistant("c\n\nd")],
      rejected: [assistant("c\n\ne")],
    });
  });

  it.each([
    ["ends with the human", hh("a", "b", "c"), hh("a", "b"), /`chosen` ends with the human's words/],
    ["has an empty answer", hh("a", ""), hh("a", "b"), /last answer of `chosen` is empty/],
    ["differs earlier", hh("a", "b", "c", "d"), hh("a", "x", "c", "e"), /differ from turn 2 on/],
    ["is of two lengths", hh("a", "b", "c", "d"), hh("a", "b"), /differ from turn 2 on/],
    [
      "begins with other words",
      `Note: x${hh("a", "b")}`,
      hh("a", "b"),
      /`chosen` does not begin with "Human:"/,
    ],
    ["asks nothing", "\n\nAssistant: a", hh("a", "b"), /nothing is asked before the answer of `chosen`/],
  ])("a pair that %s is a problem of its own", async (_, chosen, rejected, words) => {
    const good = { chosen: hh("a", "b"), rejected: hh("a", "c") };
    const [message] = await problemOf({ chosen, rejected }, good, preference);
    expect(message).toMatch(words);
  });

  it("twice the same answer stays: the trainer counts such pairs", async () => {
    const row = { chosen: hh("a", "b"), rejected: hh("a", "b") };
    expect(await one(row, preference)).toMatchObject({
      chosen: [assistant("b")],
      rejected: [assistant("b")],
    });
  });

  const annotated = (response: string, overall: unknown, ratings: readonly unknown[]) => ({
    annotations: {
      helpfulness: { Rating: ratings[0], Rationale: "r", Type: ["1"] },
      honesty: { Rating: ratings[1], Rationale: "r" },
    },
    custom_system_prompt: "Be honest.",
    critique: "c",
    "fine-grained_score": null,
    model: "m",
    overall_score: overall,
    principle: "honesty",
    response,
  });
  const feedback = (completions: readonly unknown[]) => ({
    source: "sharegpt",
    instruction: "Say hi.",
    models: ["a", "b", "c"],
    completions,
    correct_answers: ["None"],
    incorrect_answers: ["None"],
  });

  it("openbmb/UltraFeedback: the best and the worst by score", async () => {
    const row = feedback([
      annotated("ok", 6, ["3", "3"]),
      annotated("best", 9, ["5", "5"]),
      annotated("bad", 2, ["1", "1"]),
    ]);
    expect(await one(row, preference)).toMatchObject({
      format: "ultrafeedback",
      prompt: [user("Say hi.")],
      chosen: [assistant("best")],
      rejected: [assistant("bad")],
    });
    expect(await one(row)).toMatchObject(sft([user("Say hi.")], [assistant("best")]));
    expect(await one(row, prompt)).toMatchObject({
      kind: "prompt",
      prompt: [user("Say hi.")],
      reference: null,
    });
  });

  it("without an overall score the ratings count; equal scores are no preference", async () => {
    const row = feedback([annotated("worse", null, ["2", "N/A"]), annotated("better", "N/A", ["4", "3"])]);
    expect(await one(row, preference)).toMatchObject({
      chosen: [assistant("better")],
      rejected: [assistant("worse")],
    });
    const tie = feedback([annotated("a", 5, []), annotated("b", 5, [])]);
    expect(await problemOf(tie, row, preference)).toEqual([
      "Line 1: all answers of `completions` have the score 5, so none is better.",
    ]);
    expect(await problemOf(feedback([annotated("a", null, [])]), row, preference)).toEqual([
      expect.stringMatching(/holds no answer with a response and a score/),
    ]);
  });

  const binarized = {
    prompt: "Say hi.",
    prompt_id: "1",
    chosen: [user("Say hi."), assistant("Hi!")],
    rejected: [user("Say hi."), assistant("No.")],
    messages: [user("Say hi."), assistant("Hi!")],
    score_chosen: 8.5,
    score_rejected: 2,
  };

  it("HuggingFaceH4/ultrafeedback_binarized", async () => {
    expect(await one(binarized, preference)).toMatchObject({
      format: "preference",
      prompt: undefined,
      chosen: binarized.chosen,
      rejected: binarized.rejected,
    });
    expect(await one(binarized)).toMatchObject({ format: "messages", messages: binarized.messages });
    expect(await one(binarized, prompt)).toMatchObject({ prompt: [user("Say hi.")], reference: "Hi!" });
  });

  it("HumanLLMs/Human-Like-DPO-Dataset: trimmed", async () => {
    const row = { prompt: "How are you? ", chosen: "\nFine! 😊", rejected: "I am a machine.\n" };
    expect(await one(row, { ...preference, name: "HumanLLMs/Human-Like-DPO-Dataset" })).toMatchObject({
      format: "human_like_dpo",
      prompt: "How are you?",
      chosen: "Fine! 😊",
      rejected: "I am a machine.",
    });
    expect(await one(row, { ...preference, name: "other" })).toMatchObject({
      format: "preference",
      chosen: "\nFine! 😊",
    });
  });

  it("Intel/orca_dpo_pairs: its system message makes the question a conversation", async () => {
    const row = { system: "Be exact.", question: "1+1?", chosen: "2", rejected: "3" };
    expect(await one(row, preference)).toMatchObject({
      prompt: [system("Be exact."), user("1+1?")],
      chosen: [assistant("2")],
      rejected: [assistant("3")],
    });
    expect(await one({ ...row, system: "" }, preference)).toMatchObject({ prompt: "1+1?", chosen: "2" });
  });

  it.each([
    ["chosen_response", "rejected_response"],
    ["better_response", "worse_response"],
    ["response_j", "response_k"],
    ["positive", "negative"],
    ["good", "bad"],
    ["chosen_text", "rejected_text"],
    ["winner", "rejected"],
  ])("AlignTune's %s and %s", async (chosen, rejected) => {
    expect(await one({ instruction: "q", [chosen]: "c", [rejected]: "r" }, preference)).toMatchObject({
      ...{ prompt: "q", chosen: "c", rejected: "r" },
    });
  });

  it("SFT on pairs says what to map", async () => {
    await expect(read([{ prompt: "p", chosen: "c", rejected: "r" }])).rejects.toThrow(
      /look like preference rows.*1 of 2 needed columns found: prompt\. Missing: response.*\{chosen: completion\}/,
    );
    const mapped = { columnMapping: { chosen: "completion" } };
    expect(await one({ prompt: "p", chosen: "c", rejected: "r" }, mapped)).toMatchObject(sft("p", "c"));
    await expect(read([{ chosen: binarized.chosen, rejected: binarized.rejected }])).rejects.toThrow(
      /\{chosen: messages\}/,
    );
  });
});

describe("code with tests", () => {
  const tests = ["assert add(1, 2) == 3", "assert add(0, 0) == 0"];
  const task = "Write a function to add two numbers.";
  const code = "def add(a, b):\n    return a + b";

  it("google-research-datasets/mbpp: the prompt names the tests, rewards find them", async () => {
    const row = {
      ...{ task_id: 601, text: task, code, test_list: tests },
      ...{ test_setup_code: "import math", challenge_test_list: [] },
    };
    const question = `${task}\nYour code should pass these tests:\n\n${tests.join("\n")}`;
    const example = await one(row, prompt);
    expect(example).toMatchObject({ format: "mbpp", prompt: [user(question)], reference: code });
    expect(example.row).toEqual({ ...row, test_cases: ["import math", ...tests] });
    expect(await one(row)).toMatchObject(sft([user(question)], [assistant(code)]));
  });

  it("mapped by hand as AlignTune's example has it, the prompt is the text alone", async () => {
    const row = {
      task_id: 601,
      text: task,
      code,
      test_list: tests,
      test_setup_code: "",
      challenge_test_list: [],
    };
    const mapped = await one(row, { ...prompt, columnMapping: { text: "prompt", code: "response" } });
    expect(mapped).toMatchObject({ format: "prompt_response", prompt: [user(task)], reference: code });
    expect(mapped.row).toEqual(row);
  });

  it("its sanitized part", async () => {
    const row = {
      ...{ source_file: "Benchmark", task_id: 2, prompt: task, code },
      ...{ test_imports: ["import math"], test_list: tests },
    };
    const example = await one(row, prompt);
    expect(example).toMatchObject({ format: "mbpp", reference: code });
    expect(example.row).toMatchObject({ test_cases: ["import math", ...tests] });
    expect(await problemOf({ ...row, test_list: [] }, row)).toEqual(["Line 1: `test_list` holds no test."]);
  });

  it("openai/openai_humaneval", async () => {
    const start = 'def add(a, b):\n    """Add."""\n';
    const body = "    return a + b\n";
    const row = {
      ...{ task_id: "HumanEval/0", prompt: start, canonical_solution: body },
      ...{ test: "def check(candidate):\n    assert candidate(1, 2) == 3", entry_point: "add" },
    };
    const asked = `Complete the following Python function. Answer with the whole function.\n\n${start.trim()}`;
    const example = await one(row, prompt);
    expect(example).toMatchObject({ format: "humaneval", prompt: [user(asked)], reference: body });
    expect(example.row).toMatchObject({ test_cases: [`${row.test}\n\ncheck(add)`] });
    expect(await one(row)).toMatchObject(sft([user(asked)], [assistant(start + body)]));
    expect(await one(row, { hasTemplate: false })).toMatchObject(sft(start, body));
    expect(await one(row, { ...prompt, hasTemplate: false })).toMatchObject({
      prompt: start,
      reference: body,
    });
  });
});

describe("questions and summaries", () => {
  it("openai/gsm8k and hendrycks MATH", async () => {
    const row = { question: "2+2?", answer: "2+2=<<2+2=4>>4\n#### 4" };
    expect(await one(row, prompt)).toMatchObject({ prompt: [user("2+2?")], reference: row.answer });
    const math = { problem: "2+2?", level: "Level 1", type: "Algebra", solution: "It is $\\boxed{4}$." };
    expect(await one(math)).toMatchObject(sft([user("2+2?")], [assistant(math.solution)]));
    expect(await one(math, prompt)).toMatchObject({ reference: math.solution });
  });

  it("rajpurkar/squad: the passage, the question, the first answer", async () => {
    const row = {
      ...{ id: "5733", title: "Mill", context: "The mill opened in 1901.", question: "When did it open?" },
      answers: { text: ["1901", "in 1901"], answer_start: [19, 16] },
    };
    const asked = [user("The mill opened in 1901.\n\nWhen did it open?")];
    expect(await one(row)).toMatchObject(sft(asked, [assistant("1901")]));
    expect(await one(row, prompt)).toMatchObject({ prompt: asked, reference: "1901" });
    expect(await one(row, { taskType: "qa" })).toMatchObject(sft(asked, [assistant("1901")]));
    const none = { ...row, answers: { text: [], answer_start: [] } };
    expect(await problemOf(none, row)).toEqual(["Line 1: `answers` holds no answer."]);
  });

  it.each([
    ["EdinburghNLP/xsum", { document: "Long.", summary: "Short.", id: "1" }],
    ["abisee/cnn_dailymail", { article: "Long.", highlights: "Short.", id: "1" }],
    ["Samsung/samsum", { id: "1", dialogue: "Long.", summary: "Short." }],
  ])("%s", async (_, row) => {
    const asked = [user("Summarize the following text.\n\nLong.")];
    expect(await one(row)).toMatchObject({ format: "summarization", ...sft(asked, [assistant("Short.")]) });
    expect(await one(row, prompt)).toMatchObject({ prompt: asked, reference: "Short." });
  });
});

describe("task_type and other names of columns", () => {
  it.each([
    [
      { user_input: "q", ground_truth: "a" },
      {},
      "user_input is taken for the prompt, ground_truth is taken for the response",
    ],
    [
      { Source: "q", Destination: "a" },
      {},
      "Source is taken for the prompt, Destination is taken for the response",
    ],
    [{ prompt: "q", label: "a", title: "t" }, {}, "label is taken for the response"],
    [
      { passage: "p", query: "q", output: "a" },
      { taskType: "qa" },
      "passage is taken for the context, query is taken for the question, output is taken for the answer",
    ],
    [
      { text: "d", target: "s" },
      { taskType: "summarization" },
      "text is taken for the document, target is taken for the summary",
    ],
    [
      { description: "t", assertions: ["assert f()"], solution: "c" },
      { taskType: "code" },
      "description is taken for the prompt, assertions is taken for the test_cases, solution is taken for the code",
    ],
    [{ title: "t", body: "b" }, { taskType: "text_generation" }, "body is taken for the text"],
  ] as const)("%j", async (row, options, note) => {
    const set = await read([row], options);
    expect(set.notes).toEqual([`${note}; column_mapping says it otherwise.`]);
    expect(set.examples).toHaveLength(1);
    expect(set.mapping.roles.size).toBeGreaterThan(0);
    expect(set.examples[0]?.row).toEqual(row);
  });

  it("what was mapped stays, what is missing is found beside it", async () => {
    const row = { q: "1+1?", label: "2" };
    const set = await read([row], { columnMapping: { q: "prompt" } });
    expect([...set.mapping.roles]).toEqual([
      ["prompt", "q"],
      ["response", "label"],
    ]);
    expect(set.examples[0]).toMatchObject(sft([user("1+1?")], [assistant("2")]));
  });

  it("prompts for rewards under other names", async () => {
    expect(await one({ task: "q", difficulty: 3 }, prompt)).toMatchObject({ prompt: "q", reference: null });
  });

  it("a task_type that does not fit the rows or the algorithm is said to", async () => {
    const rows = [{ question: "q", answer: "a" }];
    expect((await read(rows, { taskType: "chat_completion" })).notes).toEqual([
      "task_type (chat_completion) reads conversations; none were found.",
    ]);
    expect((await read(rows, { taskType: "dpo" })).notes).toEqual([
      "task_type (dpo) is not used: it reads pairs of answers, which this algorithm does not train on.",
    ]);
    expect((await read(rows, { taskType: "supervised_fine_tuning" })).notes).toEqual([]);
  });

  it("says how many of the columns that are needed were found", async () => {
    await expect(read([{ prompt: "p", chosen: "c", note: "n" }], preference)).rejects.toThrow(
      /2 of 3 needed columns found: prompt, chosen\. Missing: rejected \(or rejected_response/,
    );
    await expect(read([{ instruction: "i", remark: "n" }])).rejects.toThrow(
      /1 of 2 needed columns found: instruction as the prompt\. Missing: response \(or completion, output, answer\)/,
    );
  });
});
