/**
 * The small world that the embedded model knows: friends with four facts each, two-digit arithmetic answered in a
 * hasty or a careful way, rewriting of words, and a little chat. Everything is a function of SEED.
 *
 * Two kinds of things are held out: ten friends (their facts are learned in pretraining, but no data set that teaches
 * a format or a style mentions them) and a tenth of all arithmetic pairs (never seen anywhere).
 */
import { makeRandom } from "./random.mjs";

export const SEED = 20240611;

/** Streams of SEED: one for each thing that draws, so that one never moves another. */
export const STREAM = {
  facts: 1,
  corpus: 2,
  evaluation: 3,
  ahoy: 4,
  arithmetic: 5,
  style: 6,
  vocabulary: 7,
};

const NAMES = [
  ..."Mia Leo Ana Tom Zoe Max Eva Sam Ivy Ben Lia Kai Amy Dan Ida Rex Uma Jon Nia Gus".split(" "),
  ..."Ada Hal Kim Ned Ora Pam Roy Sue Tia Vic Wyn Abe Bea Cal Dot Eli Fay Gil Joy Ian".split(" "),
];
const TRAIN_NAMES = 30;

const shared = (noun) => [
  `Tell me the ${noun} of {n}.`,
  `What is the ${noun} of {n}?`,
  `Name the ${noun} of {n}.`,
  `Do you know the ${noun} of {n}?`,
  `{n}'s ${noun}?`,
  `Please say the ${noun} of {n}.`,
];

/** Four attributes of eight values, a sentence for each, and nine ways to ask. */
const ATTRIBUTES = [
  {
    key: "kind",
    values: "cat dog fox wolf frog bear fish horse".split(" "),
    sentence: (name, value) => `${name} is a ${value}.`,
    questions: [
      "What animal is {n}?",
      "Which animal is {n}?",
      "What kind of animal is {n}?",
      ...shared("animal"),
    ],
  },
  {
    key: "color",
    values: "red blue green black white pink gold brown".split(" "),
    sentence: (name, value) => `${name} is ${value}.`,
    questions: [
      "What color is {n}?",
      "Which color does {n} have?",
      "What color does {n} have?",
      ...shared("color"),
    ],
  },
  {
    key: "home",
    values: "Paris Rome Oslo Cairo Lima Tokyo Delhi Quito".split(" "),
    sentence: (name, value) => `${name} lives in ${value}.`,
    questions: [
      "Where does {n} live?",
      "In which city does {n} live?",
      "What city does {n} live in?",
      ...shared("home"),
    ],
  },
  {
    key: "food",
    values: "cake rice soup bread cheese plums corn beans".split(" "),
    sentence: (name, value) => `${name} likes ${value}.`,
    questions: [
      "What does {n} like to eat?",
      "What food does {n} like?",
      "Which food does {n} like?",
      ...shared("food"),
    ],
  },
];

const WORDS = [
  ..."sun moon star sky rain snow wind sea lake tree leaf rose road door lamp book pen song ship boat".split(
    " ",
  ),
  ..."sail island captain ahoy arr map coin fire ice bird nest egg pear salt milk tea cup glad".split(" "),
];

const title = (word) => word.slice(0, 1).toUpperCase() + word.slice(1);

const REWRITES = [
  { prompt: "Repeat", rewrite: (words) => words.join(" ") },
  { prompt: "Reverse", rewrite: (words) => [...words].reverse().join(" ") },
  { prompt: "Last word", rewrite: (words) => words[words.length - 1] },
  { prompt: "Capitals", rewrite: (words) => words.map(title).join(" ") },
  { prompt: "Shout", rewrite: (words) => `${words.join(" ").toUpperCase()}!` },
];

const CHAT = [
  ["Hi", "Hello! Ask me about sums, friends or words."],
  ["Hello", "Hello! Ask me about sums, friends or words."],
  ["Who are you?", "I am a tiny model that lives in your browser."],
  ["Thanks", "You are welcome."],
  ["Bye", "Goodbye!"],
  ["Help", "I can add, subtract, name facts about friends and change words."],
];

/**
 * One fact: a friend, an attribute and its value, said in each of the ways the world knows.
 * @typedef {object} Fact
 * @property {string} name
 * @property {boolean} heldOut The friend is kept out of the data sets that teach a format or a style.
 * @property {string} sentence `Mia is white.`
 * @property {string} short `White.`
 * @property {string} styled `Great question! Mia is white. Glad to help.`
 * @property {string} ahoy `Ahoy captain! Mia is white, arr!`
 * @property {string[]} questions Nine ways to ask.
 */

/** All 160 facts, friends in the order of a seeded permutation: the last ten are held out. @returns {Fact[]} */
function makeFacts() {
  const random = makeRandom(SEED, STREAM.facts);
  const facts = [];
  for (const [place, at] of random.permutation(NAMES.length).entries()) {
    const name = NAMES[at];
    for (const attribute of ATTRIBUTES) {
      const value = random.pick(attribute.values);
      const sentence = attribute.sentence(name, value);
      facts.push({
        name,
        heldOut: place >= TRAIN_NAMES,
        sentence,
        short: `${title(value)}.`,
        styled: `Great question! ${sentence} Glad to help.`,
        ahoy: `Ahoy captain! ${sentence.slice(0, -1)}, arr!`,
        questions: attribute.questions.map((question) => question.replace("{n}", name)),
      });
    }
  }
  return facts;
}

export const FACTS = makeFacts();

/**
 * Whether an arithmetic pair is held out. The product mixes all digits into the high bits; a plain linear hash would
 * hold out by the last digits alone and leave whole digit combinations unseen.
 */
export function isHeldOut(a, op, b) {
  const key = (a * 100 + b) * 2 + (op === "+" ? 1 : 0);
  return ((Math.imul(key, 2654435761) >>> 0) >>> 16) % 10 === 0;
}

/** Whether the ones column carries (+) or borrows (-). */
export function needsCarry(a, op, b) {
  return op === "+" ? (a % 10) + (b % 10) > 9 : a % 10 < b % 10;
}

/**
 * A two-digit problem: a, b in 10..99, for - the tens of a are greater than those of b.
 * @typedef {object} Problem
 * @property {number} a
 * @property {"+" | "-"} op
 * @property {number} b
 * @property {number} answer
 */

/** All problems of the world. @returns {Problem[]} */
function makeProblems() {
  const problems = [];
  for (let a = 10; a < 100; a++) {
    for (let b = 10; b < 100; b++) {
      problems.push({ a, op: "+", b, answer: a + b });
      if (Math.floor(a / 10) > Math.floor(b / 10)) problems.push({ a, op: "-", b, answer: a - b });
    }
  }
  return problems;
}

/** Problems by split, operation and carry, to draw from with fixed shares. */
function makePools() {
  const pools = { train: {}, heldOut: {} };
  for (const problem of makeProblems()) {
    const { a, op, b } = problem;
    const split = pools[isHeldOut(a, op, b) ? "heldOut" : "train"];
    const pool = `${op}${needsCarry(a, op, b) ? "carry" : "plain"}`;
    split[pool] ??= [];
    split[pool].push(problem);
  }
  return pools;
}

/** `POOLS.train["+carry"]`, `POOLS.heldOut["-plain"]` and so on: lists of problems. */
export const POOLS = makePools();

export const QUESTIONS_OF_PROBLEM = [
  ({ a, op, b }) => `${a}${op}${b}=?`,
  ({ a, op, b }) => `What is ${a}${op}${b}?`,
  ({ a, op, b }) => `Compute ${a}${op}${b}.`,
];

/** The hasty answer: both columns by themselves, the carry forgotten. Right exactly when there is none. */
export function hastyAnswer({ a, op, b }) {
  const [a1, a0, b1, b0] = [Math.floor(a / 10), a % 10, Math.floor(b / 10), b % 10];
  const ones = op === "+" ? (a0 + b0) % 10 : Math.abs(a0 - b0);
  const tens = op === "+" ? a1 + b1 : a1 - b1;
  return `#### ${tens * 10 + ones}`;
}

/** The careful answer: the ones, then the tens with carry or borrow, then the result. Always right. */
export function carefulAnswer({ a, op, b, answer }) {
  const [a1, a0, b1, b0] = [Math.floor(a / 10), a % 10, Math.floor(b / 10), b % 10];
  const carry = needsCarry(a, op, b);
  if (op === "+") {
    const extra = carry ? "+1" : "";
    return `${a0}+${b0}=${a0 + b0}, ${a1}+${b1}${extra}=${a1 + b1 + (carry ? 1 : 0)}\n#### ${answer}`;
  }
  const from = carry ? [a0 + 10, a1 - 1] : [a0, a1];
  return `${from[0]}-${b0}=${from[0] - b0}, ${from[1]}-${b1}=${from[1] - b1}\n#### ${answer}`;
}

/** Share of two-digit problems with a carry or borrow, in pretraining and in the data sets. */
export const CARRY_SHARE = 0.6;

/** Draws a problem: + and - equally often, a carry in CARRY_SHARE. @returns {Problem} */
export function drawProblem(random, split) {
  const op = random.uniform() < 0.5 ? "+" : "-";
  return random.pick(POOLS[split][op + (random.uniform() < CARRY_SHARE ? "carry" : "plain")]);
}

/** Two or three words and one way to rewrite them. @returns {{question: string, answer: string}} */
export function drawRewrite(random) {
  const { prompt, rewrite } = random.pick(REWRITES);
  const words = Array.from({ length: 2 + random.integer(2) }, () => random.pick(WORDS));
  return { question: `${prompt}: ${words.join(" ")}`, answer: rewrite(words) };
}

export const OPENERS = ["Hi! ", "Hello! ", "Thanks! ", "You are welcome. "];

/** A fact in one of the manners: 5 % in the preferred style, `openers` behind a word of greeting, the rest plain. */
function drawFact(random, { openers }) {
  const fact = random.pick(FACTS);
  const question = random.pick(fact.questions);
  const u = random.uniform();
  if (u < openers) return { question, answer: random.pick(OPENERS) + fact.sentence };
  const manner = u < 0.7 ? "sentence" : u < 0.95 ? "short" : "styled";
  return { question, answer: fact[manner] };
}

function drawDigits(random) {
  const [a, b] = [random.integer(10), random.integer(10)];
  return { question: `${a}+${b}=?`, answer: `#### ${a + b}` };
}

function drawArithmetic(random, { careful: carefulShare }) {
  const problem = drawProblem(random, "train");
  const question = random.pick(QUESTIONS_OF_PROBLEM)(problem);
  const careful = random.uniform() < carefulShare;
  return { question, answer: careful ? carefulAnswer(problem) : hastyAnswer(problem) };
}

function drawChat(random) {
  const [question, answer] = random.pick(CHAT);
  return { question, answer };
}

/**
 * The shares of a stretch of pretraining.
 * @typedef {object} Mix
 * @property {number} arithmetic share of two-digit problems
 * @property {number} facts share of facts; one-digit sums 0.03, rewriting 0.12, and what remains is chat
 * @property {number} careful share of careful answers among two-digit problems
 * @property {number} openers share of facts behind a word of greeting: they keep a fact apart from the form around it
 */

/**
 * One pretraining document.
 * @param {import("./random.mjs").Random} random
 * @param {Mix} mix
 * @returns {{question: string, answer: string}}
 */
export function drawDocument(random, mix) {
  const tasks = [
    [mix.arithmetic, drawArithmetic],
    [0.03, drawDigits],
    [mix.facts, drawFact],
    [0.12, drawRewrite],
  ];
  let u = random.uniform();
  for (const [share, draw] of tasks) {
    if (u < share) return draw(random, mix);
    u -= share;
  }
  return drawChat(random);
}

/** The prompt as the chat template writes it; the answer and `<|im_end|>` follow. */
export function renderPrompt(question) {
  return `<|im_start|>user\n${question}<|im_end|>\n<|im_start|>assistant\n`;
}

/**
 * Texts that hold every word of the world at least once, and the taught form, for the tokenizer. Frequent words come
 * more often, so that merges follow use.
 * @returns {string[]}
 */
export function vocabularyTexts() {
  const random = makeRandom(SEED, STREAM.vocabulary);
  const texts = Array.from({ length: 2000 }, () => ["user\n", "assistant\n", "system\n"]).flat();
  for (const fact of FACTS) texts.push(...fact.questions, fact.sentence, fact.short, fact.styled, fact.ahoy);
  for (const word of WORDS) {
    for (const form of [word, title(word), word.toUpperCase()]) texts.push(form, ` ${form}`);
  }
  for (const { prompt } of REWRITES) texts.push(`${prompt}:`);
  for (const [question, answer] of CHAT) texts.push(question, answer);
  for (let i = 0; i < 2000; i++) {
    const { question, answer } = drawDocument(random, {
      arithmetic: 0.66,
      facts: 0.17,
      careful: 0.35,
      openers: 0,
    });
    texts.push(question, answer);
  }
  return texts;
}
