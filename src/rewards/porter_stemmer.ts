/**
 * Porter's stemmer of English words (An algorithm for suffix stripping, 1980) with the small departures that NLTK makes by
 * default, because ROUGE is computed with those.
 */

const IRREGULAR: Readonly<Record<string, string>> = {
  skies: "sky",
  sky: "sky",
  dying: "die",
  lying: "lie",
  tying: "tie",
  news: "news",
  innings: "inning",
  inning: "inning",
  outings: "outing",
  outing: "outing",
  cannings: "canning",
  canning: "canning",
  howe: "howe",
  proceed: "proceed",
  exceed: "exceed",
  succeed: "succeed",
};

const isConsonant = (word: string, i: number): boolean => {
  const letter = word[i] ?? "";
  if ("aeiou".includes(letter)) return false;
  return letter !== "y" || i === 0 || !isConsonant(word, i - 1);
};

/** How often a vowel is followed by a consonant: m in [C](VC)^m[V]. */
function measure(stem: string): number {
  let count = 0;
  for (let i = 1; i < stem.length; i++) if (isConsonant(stem, i) && !isConsonant(stem, i - 1)) count++;
  return count;
}

const hasVowel = (stem: string): boolean => [...stem].some((_, i) => !isConsonant(stem, i));
const endsDouble = (word: string): boolean =>
  word.length >= 2 && word.at(-1) === word.at(-2) && isConsonant(word, word.length - 1);

/** Ends in consonant, vowel, consonant, the last not w, x or y; a vowel and a consonant alone count too. */
function endsShort(word: string): boolean {
  const n = word.length;
  if (n === 2) return !isConsonant(word, 0) && isConsonant(word, 1);
  return (
    n >= 3 &&
    isConsonant(word, n - 3) &&
    !isConsonant(word, n - 2) &&
    isConsonant(word, n - 1) &&
    !"wxy".includes(word.at(-1) ?? "")
  );
}

type Rule = readonly [suffix: string, replacement: string, allowed: (stem: string) => boolean];
const positive = (stem: string): boolean => measure(stem) > 0;
const longer = (stem: string): boolean => measure(stem) > 1;
const always = (): boolean => true;

/** The first rule whose suffix the word has decides, also when it does not allow the change. */
function apply(word: string, rules: readonly Rule[]): string {
  const rule = rules.find(([suffix]) => word.endsWith(suffix));
  if (rule === undefined) return word;
  const [suffix, replacement, allowed] = rule;
  const stem = word.slice(0, word.length - suffix.length);
  return allowed(stem) ? stem + replacement : word;
}

function plural(word: string): string {
  if (word.endsWith("ies") && word.length === 4) return word.slice(0, -1);
  return apply(word, [
    ["sses", "ss", always],
    ["ies", "i", always],
    ["ss", "ss", always],
    ["s", "", always],
  ]);
}

function afterEdOrIng(stem: string): string {
  if (/(?:at|bl|iz)$/.test(stem)) return `${stem}e`;
  if (endsDouble(stem)) return "lsz".includes(stem.at(-1) ?? "") ? stem : stem.slice(0, -1);
  return measure(stem) === 1 && endsShort(stem) ? `${stem}e` : stem;
}

function pastOrProgressive(word: string): string {
  if (word.endsWith("ied")) return word.length === 4 ? word.slice(0, -1) : word.slice(0, -2);
  if (word.endsWith("eed")) return positive(word.slice(0, -3)) ? word.slice(0, -1) : word;
  const stem = ["ed", "ing"]
    .filter((suffix) => word.endsWith(suffix))
    .map((suffix) => word.slice(0, word.length - suffix.length))[0];
  return stem !== undefined && hasVowel(stem) ? afterEdOrIng(stem) : word;
}

const finalY = (word: string): string =>
  apply(word, [["y", "i", (stem) => stem.length > 1 && isConsonant(stem, stem.length - 1)]]);

const DOUBLE_SUFFIXES: readonly Rule[] = [
  ["ational", "ate", positive],
  ["tional", "tion", positive],
  ["enci", "ence", positive],
  ["anci", "ance", positive],
  ["izer", "ize", positive],
  ["bli", "ble", positive],
  ["alli", "al", positive],
  ["entli", "ent", positive],
  ["eli", "e", positive],
  ["ousli", "ous", positive],
  ["ization", "ize", positive],
  ["ation", "ate", positive],
  ["ator", "ate", positive],
  ["alism", "al", positive],
  ["iveness", "ive", positive],
  ["fulness", "ful", positive],
  ["ousness", "ous", positive],
  ["aliti", "al", positive],
  ["iviti", "ive", positive],
  ["biliti", "ble", positive],
  ["fulli", "ful", positive],
  ["logi", "log", (stem) => positive(`${stem}l`)],
];

function doubleSuffix(word: string): string {
  if (word.endsWith("alli") && positive(word.slice(0, -4))) return doubleSuffix(word.slice(0, -2));
  return apply(word, DOUBLE_SUFFIXES);
}

const FULL_SUFFIXES: readonly Rule[] = [
  ["icate", "ic", positive],
  ["ative", "", positive],
  ["alize", "al", positive],
  ["iciti", "ic", positive],
  ["ical", "ic", positive],
  ["ful", "", positive],
  ["ness", "", positive],
];

const LAST_SUFFIXES: readonly Rule[] = [
  ...["al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent"].map(
    (suffix): Rule => [suffix, "", longer],
  ),
  ["ion", "", (stem) => longer(stem) && /[st]$/.test(stem)],
  ...["ou", "ism", "ate", "iti", "ous", "ive", "ize"].map((suffix): Rule => [suffix, "", longer]),
];

function finalE(word: string): string {
  if (!word.endsWith("e")) return word;
  const stem = word.slice(0, -1);
  return measure(stem) > 1 || (measure(stem) === 1 && !endsShort(stem)) ? stem : word;
}

const finalL = (word: string): string =>
  word.endsWith("ll") && longer(word.slice(0, -1)) ? word.slice(0, -1) : word;

/** The stem of a lower-case English word. */
export function stemOf(word: string): string {
  if (Object.hasOwn(IRREGULAR, word)) return IRREGULAR[word] ?? word;
  if (word.length <= 2) return word;
  const inflected = finalY(pastOrProgressive(plural(word)));
  return finalL(finalE(apply(apply(doubleSuffix(inflected), FULL_SUFFIXES), LAST_SUFFIXES)));
}
