import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { createChatTemplate, loadChatTemplate } from "../../src/data/chat_template.ts";
import { readExamples } from "../../src/data/dataset_formats.ts";
import type { Example, Turns } from "../../src/data/example.ts";
import {
  buildPreferenceExamples,
  type PreferencePair,
  type PreferenceSide,
  splitPair,
} from "../../src/data/preference_examples.ts";
import { readRows } from "../../src/data/rows.ts";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { rowsInMemory } from "../../src/data/train_rows.ts";
import { assetOf, goldenFolder, goldenText } from "./support/files.ts";
import { takeSteps } from "./support/steps.ts";

const tokenizer = await loadTokenizer(goldenFolder("model"));
const template = await loadChatTemplate(goldenFolder("model"), tokenizer);
const tools = { tokenizer, template };

const user = (content: string) => ({ role: "user", content });
const assistant = (content: string) => ({ role: "assistant", content });
const system = (content: string) => ({ role: "system", content });

type Pair = readonly [prompt: Turns | undefined, chosen: Turns, rejected: Turns];

function examples(...pairs: Pair[]): Example[] {
  return pairs.map(([prompt, chosen, rejected], rowIndex) => ({
    ...{ kind: "preference", prompt, chosen, rejected, row: {}, rowIndex },
  }));
}

function build(pairs: Pair[], maxSeqLength = 512) {
  return buildPreferenceExamples(examples(...pairs), tools, { maxSeqLength });
}

const text = (ids: ArrayLike<number>) => tokenizer.decode(Array.from(ids), { skipSpecialTokens: false });
const parts = ({ ids, firstTarget }: PreferenceSide) => [
  text(ids.slice(0, firstTarget)),
  text(ids.slice(firstTarget)),
];

const runs = readdirSync(new URL("../golden/trl/", import.meta.url)).filter((name) =>
  name.startsWith("dpo-"),
);

interface Logged {
  readonly num_tokens: number;
  readonly mean_token_accuracy: number;
}

describe.each(runs)("%s reads what trl 1.13 read", (run) => {
  const { steps: expected } = JSON.parse(goldenText(`${run}/expected.json`)) as { steps: Logged[] };
  const config = parse(goldenText(`${run}/config.yaml`)) as {
    batch_size: number;
    gradient_accumulation_steps: number;
    max_seq_length: number;
    seed: number;
  };

  async function readRun() {
    const file = await readRows(assetOf("data.jsonl", goldenText(`${run}/data.jsonl`)));
    const set = readExamples(file, { purpose: "preference", hasTemplate: true });
    const { rows } = buildPreferenceExamples(set.examples, tools, { maxSeqLength: config.max_seq_length });
    const { batch_size: batchSize, gradient_accumulation_steps: gradientAccumulationSteps, seed } = config;
    const order = {
      strategy: "sequential",
      seed,
      batchSize,
      lengthOf: (pair: PreferencePair) => pair.chosen.ids.length + pair.rejected.ids.length,
    } as const;
    const taken = await takeSteps(
      rowsInMemory(rows, order),
      { batchSize, gradientAccumulationSteps },
      expected.length,
    );
    return taken.map(({ batches }) => batches);
  }

  it("num_tokens of every step, both halves", async () => {
    let tokens = 0;
    const counted = (await readRun()).map((batches) => {
      for (const { chosen, rejected } of batches.flat()) tokens += chosen.ids.length + rejected.ids.length;
      return tokens;
    });
    expect(counted).toEqual(expected.map((step) => step.num_tokens));
  });

  // The logged accuracy is the mean over micro-batches of a fraction of the chosen targets.
  it("targets of the chosen answers, as denominators of the accuracy", async () => {
    for (const [i, batches] of (await readRun()).entries()) {
      const targets = batches.map((pairs) =>
        pairs.reduce((sum, { chosen }) => sum + chosen.ids.length - chosen.firstTarget, 0),
      );
      const total = (expected[i]?.mean_token_accuracy ?? 0) * batches.length;
      expect(isSumOfFractions(total, targets), `step ${i + 1}: ${total} over ${targets}`).toBe(true);
    }
  });
});

/** Whether total is a sum of a/n with whole a <= n, one for each n; float32 leaves 1e-6 of room. */
function isSumOfFractions(total: number, [n, ...others]: readonly number[]): boolean {
  if (n === undefined) return Math.abs(total) < 1e-6;
  for (let a = 0; a <= n; a++) if (isSumOfFractions(total - a / n, others)) return true;
  return false;
}

describe("a pair as tokens", () => {
  it("plain text: prompt and answer as one string, with the end appended once", () => {
    const [pair] = build([["37+5=", " 42", " 48<|im_end|>"]]).rows;
    expect(pair && parts(pair.chosen)).toEqual(["37+5=", " 42<|im_end|>"]);
    expect(pair && parts(pair.rejected)).toEqual(["37+5=", " 48<|im_end|>"]);
    expect(text(pair?.promptIds ?? [])).toBe("37+5=");
  });

  it("conversations: by the chat template", () => {
    const prompt = [system("Be brief."), user("naïve 🦆?")];
    const [pair] = build([[prompt, [assistant("Yes 🦆.")], [assistant("")]]]).rows;
    const opening =
      "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nnaïve 🦆?<|im_end|>\n<|im_start|>assistant\n";
    expect(pair && parts(pair.chosen)).toEqual([opening, "Yes 🦆.<|im_end|>\n"]);
    expect(pair && parts(pair.rejected)).toEqual([opening, "<|im_end|>\n"]);
  });

  it("texts beside conversations are turns of their own", () => {
    const [pair] = build([["Sure?", [assistant("Yes.")], [assistant("No.")]]]).rows;
    const [same] = build([[[user("Sure?")], "Yes.", "No."]]).rows;
    expect(pair && parts(pair.chosen)[1]).toBe("Yes.<|im_end|>\n");
    expect(pair?.chosen).toEqual(same?.chosen);
    expect(pair?.rejected).toEqual(same?.rejected);
  });

  it("a seam inside a token: the answer begins after as many tokens as the prompt has alone", () => {
    const { rows, seamMismatches } = build([["How ma", "ny are left?", "p?"]]);
    const alone = tokenizer.encode("How ma", { addSpecialTokens: true });
    expect(seamMismatches).toBe(1);
    expect(text(rows[0]?.chosen.ids ?? [])).toBe("How many are left?<|im_end|>");
    expect(rows[0]?.chosen.firstTarget).toBe(alone.length);
  });
});

describe("the prompt that is not given", () => {
  it("is the common beginning; a space before the split goes to the answers", () => {
    expect(splitPair(undefined, "Is it? Yes.", "Is it? No.")).toEqual({
      prompt: "Is it?",
      chosen: " Yes.",
      rejected: " No.",
    });
    expect(splitPair(undefined, "abc", "abd")).toEqual({ prompt: "ab", chosen: "c", rejected: "d" });
    expect(splitPair(undefined, "Yes", "No")).toEqual({ prompt: "", chosen: "Yes", rejected: "No" });
  });

  it("leaves an answer where one text begins the other, and cuts no emoji in half", () => {
    expect(splitPair(undefined, "ab", "abc")).toEqual({ prompt: "a", chosen: "b", rejected: "bc" });
    expect(splitPair(undefined, "a🦆", "a🦊")).toEqual({ prompt: "a", chosen: "🦆", rejected: "🦊" });
  });

  it("is the common messages of conversations", () => {
    const head = [system("s"), user("a"), assistant("b"), user("c")];
    const split = splitPair(undefined, [...head, assistant("d")], [...head, assistant("e")]);
    expect(split).toEqual({ prompt: head, chosen: [assistant("d")], rejected: [assistant("e")] });
    const twice = splitPair(undefined, [...head, assistant("d")], [...head, assistant("d")]);
    expect(twice.prompt).toEqual(head);
  });

  it("an answer without any prompt is learned from its second token on", () => {
    const [pair] = build([[undefined, "Yes.", "No."]]).rows;
    expect(pair?.chosen.firstTarget).toBe(1);
    expect(text(pair?.chosen.ids ?? [])).toBe("Yes.<|im_end|>");
  });
});

describe("pairs that are cut or left out", () => {
  const long = "Yes. ".repeat(20);

  it("each answer keeps the first max_seq_length tokens; a pair is counted once", () => {
    const { rows, cut, dropped } = build(
      [
        ["Sure?", long, `${long}No.`],
        ["Sure?", "Yes.", "No."],
      ],
      12,
    );
    expect(cut).toBe(1);
    expect(dropped).toEqual([]);
    expect(rows[0]?.chosen.ids).toHaveLength(12);
    expect(rows[0]?.rejected.ids).toHaveLength(12);
    expect(text(rows[0]?.chosen.ids ?? [])).toMatch(/^Sure\?Yes\. Yes/);
    expect(rows[1]?.chosen.ids.length).toBeLessThan(12);
  });

  it("a prompt that fills max_seq_length leaves nothing to compare", () => {
    const length = tokenizer.encode("Sure?", { addSpecialTokens: true }).length;
    const pairs: Pair[] = [
      ["Sure? Sure?", "a", "b"],
      ["Sure?", "a", "b"],
    ];
    const { rows, dropped } = build(pairs, length + 1);
    expect(rows.map(({ rowIndex }) => rowIndex)).toEqual([1]);
    expect(dropped).toEqual([
      { rowIndex: 0, reason: expect.stringMatching(/^its prompt alone has \d+ tokens/) as string },
    ]);
    expect(() => build(pairs, length)).toThrow(/No row has two answers.*prompt alone has/);
  });

  it("conversations that begin differently, and a template that refuses", () => {
    const apart = build([
      [undefined, [user("a"), assistant("b")], [user("c"), assistant("d")]],
      ["p", "a", "b"],
    ]);
    expect(apart.dropped[0]?.reason).toMatch(/begin differently/);
    const strict = createChatTemplate(
      "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}{{ m.content }}{% endfor %}",
      tokenizer,
    );
    const refused = buildPreferenceExamples(
      examples([[system("s"), user("a")], [assistant("b")], [assistant("c")]], ["p", "a", "b"]),
      { tokenizer, template: strict },
      { maxSeqLength: 64 },
    );
    expect(refused.dropped[0]?.reason).toMatch(/no system/);
    expect(refused.rows).toHaveLength(1);
  });

  it("the same answer twice is counted", () => {
    expect(build([["p", "a", "a"]]).equal).toBe(1);
    expect(build([["p", "a", "b"]]).equal).toBe(0);
  });
});

describe("what is refused", () => {
  it("rows of another kind, and conversations without a template", () => {
    const row: Example = { kind: "text", text: "a", row: {}, rowIndex: 0 };
    expect(() => buildPreferenceExamples([row], tools, { maxSeqLength: 8 })).toThrow(/pairs of answers/);
    expect(() =>
      buildPreferenceExamples(
        examples([[user("a")], [assistant("b")], [assistant("c")]]),
        { tokenizer, template: undefined },
        { maxSeqLength: 64 },
      ),
    ).toThrow(/chatml/);
  });
});
