/**
 * Writes the pretraining corpus as token ids, and the questions that measure a base model.
 *
 *   node scripts/tiny_world/make_corpus.mjs --output DIR [--documents N]
 *
 * DIR/corpus.bin: for each document three u16 (tokens, position of the answer's first token, is two-digit arithmetic)
 * and its token ids (u16). DIR/evaluation.json: questions and accepted answers, and the model's vocabulary size.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { makeModelFiles } from "./model_files.mjs";
import { makeRandom } from "./random.mjs";
import {
  carefulAnswer,
  drawDocument,
  drawRewrite,
  FACTS,
  OPENERS,
  renderPrompt,
  SEED,
  STREAM,
} from "./world.mjs";

/**
 * Stretches of the corpus, each up to a document number. Careful answers come more often at first, because they take
 * longest to learn, and end with the share that the model shall have; facts come more often at the end.
 */
const STRETCHES = [
  { until: 153_600, mix: { arithmetic: 0.66, facts: 0.17, careful: 0.6, openers: 0 } },
  { until: 230_400, mix: { arithmetic: 0.66, facts: 0.17, careful: 0.32, openers: 0 } },
  { until: Number.POSITIVE_INFINITY, mix: { arithmetic: 0.5, facts: 0.33, careful: 0.32, openers: 0.12 } },
];

const { values } = parseArgs({
  options: { documents: { type: "string", default: "358400" }, output: { type: "string" } },
});
if (values.output === undefined) throw new Error("make_corpus: --output DIR is missing.");

/** Token ids of `count` documents with their three-number heads. */
function makeCorpus(encode, count) {
  const random = makeRandom(SEED, STREAM.corpus);
  const out = [];
  for (let i = 0; i < count; i++) {
    const stretch = STRETCHES.find(({ until }) => i < until);
    const { question, answer } = drawDocument(random, stretch.mix);
    const prompt = encode(renderPrompt(question));
    const ids = encode(`${answer}<|im_end|>`);
    out.push(prompt.length + ids.length, prompt.length, answer.includes("####") ? 1 : 0, ...prompt, ...ids);
  }
  return Uint16Array.from(out);
}

/** The committed held-out problems, every fact once, and 100 rewrites. */
function makeEvaluation() {
  const random = makeRandom(SEED, STREAM.evaluation);
  const heldOut = new URL("../../public/datasets/arithmetic-heldout.jsonl", import.meta.url);
  const rows = readFileSync(fileURLToPath(heldOut), "utf8").trim().split("\n").map(JSON.parse);
  const arithmetic = rows.map(({ prompt, answer }) => {
    const question = prompt[0].content;
    const [, a, op, b] = question.match(/(\d+)([+-])(\d+)/);
    const careful = carefulAnswer({ a: Number(a), op, b: Number(b), answer: Number(answer) });
    return { prompt: renderPrompt(question), answer, careful };
  });
  const facts = FACTS.map(({ questions, sentence, short, styled }) => ({
    prompt: renderPrompt(random.pick(questions)),
    accepted: [sentence, short, styled, ...OPENERS.map((opener) => opener + sentence)],
  }));
  const rewriting = Array.from({ length: 100 }, () => {
    const { question, answer } = drawRewrite(random);
    return { prompt: renderPrompt(question), accepted: [answer] };
  });
  return { arithmetic, facts, rewriting };
}

const { encode, vocabSize } = makeModelFiles();
mkdirSync(values.output, { recursive: true });
const corpus = makeCorpus(encode, Number(values.documents));
writeFileSync(`${values.output}/corpus.bin`, corpus);
writeFileSync(`${values.output}/evaluation.json`, JSON.stringify({ vocabSize, ...makeEvaluation() }));
console.log(`${values.documents} documents, ${corpus.length} numbers, vocabulary ${vocabSize}`);
