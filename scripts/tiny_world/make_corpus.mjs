/**
 * Writes the pretraining corpus as token ids, and the questions that measure a base model.
 *
 *   node scripts/tiny_world/make_corpus.mjs --documents 400000 --output DIR
 *
 * DIR/corpus.bin: for each document three u16 (tokens, position of the answer's first token, is two-digit arithmetic)
 * and its token ids (u16). DIR/evaluation.json: questions and accepted answers, and the model's vocabulary size.
 * The first SWITCH documents have more careful answers, because they are what takes longest to learn; the rest have
 * the share the model shall end with. The problems are the same whatever the shares.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { makeModelFiles } from "./model_files.mjs";
import { makeRandom } from "./random.mjs";
import { carefulAnswer, drawDocument, drawRewrite, FACTS, renderPrompt, SEED, STREAM } from "./world.mjs";

const { values } = parseArgs({
  options: {
    documents: { type: "string", default: "400000" },
    early: { type: "string", default: "0.6" },
    careful: { type: "string", default: "0.32" },
    switch: { type: "string", default: "300000" },
    output: { type: "string" },
  },
});
if (values.output === undefined) throw new Error("make_corpus: --output DIR is missing.");

/** Token ids of `count` documents with their three-number heads. */
function makeCorpus(encode, count, share) {
  const random = makeRandom(SEED, STREAM.corpus);
  const out = [];
  for (let i = 0; i < count; i++) {
    const { question, answer } = drawDocument(random, share(i));
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
    accepted: [sentence, short, styled],
  }));
  const rewriting = Array.from({ length: 100 }, () => {
    const { question, answer } = drawRewrite(random);
    return { prompt: renderPrompt(question), accepted: [answer] };
  });
  return { arithmetic, facts, rewriting };
}

const { encode, vocabSize } = makeModelFiles();
mkdirSync(values.output, { recursive: true });
const share = (document) => Number(document < Number(values.switch) ? values.early : values.careful);
const corpus = makeCorpus(encode, Number(values.documents), share);
writeFileSync(`${values.output}/corpus.bin`, corpus);
writeFileSync(`${values.output}/evaluation.json`, JSON.stringify({ vocabSize, ...makeEvaluation() }));
console.log(`${values.documents} documents, ${corpus.length} numbers, vocabulary ${vocabSize}`);
