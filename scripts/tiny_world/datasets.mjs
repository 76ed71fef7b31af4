/** The small data sets that the page ships, as JSON Lines in TRL's conversational shapes. */
import { makeRandom } from "./random.mjs";
import { CARRY_SHARE, FACTS, OPENERS, POOLS, QUESTIONS_OF_PROBLEM, SEED, STREAM } from "./world.mjs";

const RL_ROWS = 1024;
const RL_HELD_OUT_ROWS = 200;

const user = (content) => [{ role: "user", content }];
const assistant = (content) => [{ role: "assistant", content }];
const jsonLines = (rows) => `${rows.map((row) => JSON.stringify(row)).join("\n")}\n`;
const shuffled = (random, rows) => random.permutation(rows.length).map((at) => rows[at]);

/** Questions about friends of one split, `ways` phrasings of each fact, those of a fact in turn. */
function questionsOf(heldOut, ways) {
  return FACTS.filter((fact) => fact.heldOut === heldOut).flatMap((fact, i) =>
    Array.from({ length: ways }, (_, k) => {
      const at = (i + 3 * k) % fact.questions.length;
      return { fact, question: fact.questions[ways === fact.questions.length ? k : at] };
    }),
  );
}

/** SFT: the same facts in the pirate's form. */
function ahoyRows(random, heldOut, ways) {
  const rows = questionsOf(heldOut, ways).map(({ fact, question }) => ({
    prompt: user(question),
    completion: assistant(fact.ahoy),
  }));
  return shuffled(random, rows);
}

/** What the base model would rather say: a plain sentence (60 %), one word (25 %), or the sentence after a greeting. */
function plainAnswer(random, fact) {
  const u = random.uniform();
  if (u < 0.15) return random.pick(OPENERS) + fact.sentence;
  return u < 0.75 ? fact.sentence : fact.short;
}

/** DPO: the polite long form is preferred to each of the base model's other ways to answer. */
function styleRows(random, heldOut, ways) {
  const rows = questionsOf(heldOut, ways).map(({ fact, question }) => ({
    prompt: user(question),
    chosen: assistant(fact.styled),
    rejected: assistant(plainAnswer(random, fact)),
  }));
  return shuffled(random, rows);
}

/** RL: distinct problems with their answers; + and - half each, a carry in exactly CARRY_SHARE. */
function arithmeticRows(random, split, count) {
  const carries = Math.round((count * CARRY_SHARE) / 2);
  const plains = count / 2 - carries;
  const problems = ["+", "-"].flatMap((op) => [
    ...shuffled(random, POOLS[split][`${op}carry`]).slice(0, carries),
    ...shuffled(random, POOLS[split][`${op}plain`]).slice(0, plains),
  ]);
  const rows = problems.map((problem) => ({
    prompt: user(random.pick(QUESTIONS_OF_PROBLEM)(problem)),
    answer: String(problem.answer),
  }));
  return shuffled(random, rows);
}

/** File name to text. @returns {Map<string, string>} */
export function makeDatasets() {
  const ahoy = makeRandom(SEED, STREAM.ahoy);
  const arithmetic = makeRandom(SEED, STREAM.arithmetic);
  const style = makeRandom(SEED, STREAM.style);
  return new Map([
    ["ahoy.jsonl", jsonLines(ahoyRows(ahoy, false, 9))],
    ["ahoy-heldout.jsonl", jsonLines(ahoyRows(ahoy, true, 3))],
    ["arithmetic.jsonl", jsonLines(arithmeticRows(arithmetic, "train", RL_ROWS))],
    ["arithmetic-heldout.jsonl", jsonLines(arithmeticRows(arithmetic, "heldOut", RL_HELD_OUT_ROWS))],
    ["style-pairs.jsonl", jsonLines(styleRows(style, false, 9))],
    ["style-pairs-heldout.jsonl", jsonLines(styleRows(style, true, 2))],
  ]);
}
