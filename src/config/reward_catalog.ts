import {
  choice,
  type Fields,
  flag,
  integer,
  list,
  nullable,
  number,
  numbers,
  required,
  text,
  type Values,
} from "./field.ts";

/** What a reward looks at besides the completion's text. */
export type RewardNeed = "prompt" | "reference" | "row" | "completion_ids";

/** A built-in reward as data: what the page draws and the configuration checks. What it computes is in src/rewards. */
export interface RewardEntry {
  readonly label: string;
  /** One sentence: what an answer gets, and for what. */
  readonly help: string;
  /** Names that other trainers give it, in plain form (lower case, underscores). */
  readonly aliases: readonly string[];
  /** Without these it does not apply to a row. */
  readonly needs: readonly RewardNeed[];
  /** Read when they are there. */
  readonly uses?: readonly RewardNeed[];
  /** A parameter that takes the reference's place when it is given. */
  readonly inPlaceOfReference?: string;
  readonly params: Fields;
  /** Other names of the parameters. */
  readonly spellings?: Readonly<Record<string, string>>;
  /** Parameters of AlignTune's that have no meaning here, and why. */
  readonly unused?: Readonly<Record<string, string>>;
  /** What is wrong with the parameters together: the parameter to change and a sentence. */
  readonly rule?: (
    params: Readonly<Record<string, unknown>>,
  ) => { readonly param: string; readonly message: string } | undefined;
}

const group = "rewards" as const;

const tolerance = number(1e-6, {
  label: "Tolerance",
  help: "How far two numbers may be apart, relative to the larger; whole numbers must be equal.",
  group,
  max: 1,
});

const maxLength = (label: string, help: string) =>
  nullable(
    integer(256, { label, help, group, min: 1, max: 131072, unit: "tokens" }),
    "max_completion_length.",
  );

const inOrder =
  (low: string, high: string) =>
  (params: Readonly<Record<string, unknown>>): { param: string; message: string } | undefined =>
    Number(params[low]) > Number(params[high])
      ? {
          param: low,
          message: `${low} (${String(params[low])}) is more than ${high} (${String(params[high])}). Swap them, or change one.`,
        }
      : undefined;

/** Python's inline flags and named groups as JavaScript has them. */
export function compilePattern(pattern: string, flags = ""): RegExp {
  const inline = /^\(\?([aimsux]+)\)/.exec(pattern);
  const named = pattern.slice(inline?.[0].length ?? 0).replaceAll("(?P<", "(?<");
  const letters = `${flags}${inline?.[1]?.replace(/[^ims]/g, "") ?? ""}u`;
  return new RegExp(named, [...new Set(letters)].join(""));
}

const REFERENCE = ["reference"] as const;

export const REWARDS = {
  accuracy: {
    label: "Right answer",
    help: "1 when the final answer equals the reference, as a number or as text; else 0.",
    aliases: ["accuracy_reward", "exact_match", "answer_match", "correctness", "math_accuracy"],
    needs: REFERENCE,
    params: {
      tolerance,
      marked_only: flag(false, {
        label: "Marked answers only",
        help: "Counts an answer only after ####, in \\boxed{} or in <answer> tags, and not the last number of the text.",
        group,
      }),
    },
  },
  math_correctness: {
    label: "Right arithmetic",
    help: "The share of the written equations, such as 48 / 2 = 24, that hold; 0 when there is none.",
    aliases: ["math_correctness_reward"],
    needs: [],
    params: {
      tolerance: number(1e-6, {
        label: "Tolerance",
        help: "How far the two sides of an equation may be apart.",
        group,
        max: 1,
      }),
    },
  },
  math_reasoning: {
    label: "Mathematical reasoning",
    help: "The mean of up to three parts: the right answer, signs of reasoning in steps, and mathematical form.",
    aliases: ["math", "math_reasoning_reward"],
    needs: [],
    uses: REFERENCE,
    params: {
      check_correctness: flag(true, {
        label: "Answer",
        help: "Counts whether the final answer equals the reference, where there is one.",
        group,
      }),
      check_reasoning: flag(true, {
        label: "Reasoning",
        help: "Counts words such as first, then and therefore, numbers, several sentences, and a stated answer.",
        group,
      }),
      check_format: flag(true, {
        label: "Form",
        help: "Counts LaTeX, operations, equal signs, units, and wording that does not repeat itself.",
        group,
      }),
    },
    unused: {
      use_robust_grading: "Answers are compared in one way, that of the reward accuracy.",
      dataset_type: "The form of the answer is found from the text.",
    },
    rule: (params) =>
      ["check_correctness", "check_reasoning", "check_format"].every((name) => params[name] === false)
        ? { param: "check_correctness", message: "All three parts are off, so there is nothing to count." }
        : undefined,
  },
  length: {
    label: "Length",
    help: "1 for an answer within the two lengths, else 0; with a target length, less the further away from it.",
    aliases: ["length_reward", "len", "reward_len"],
    needs: [],
    uses: ["completion_ids"],
    params: {
      min_length: integer(10, {
        label: "Shortest",
        help: "The fewest words that count.",
        group,
        max: 1000000,
      }),
      max_length: integer(500, {
        label: "Longest",
        help: "The most words that count.",
        group,
        min: 1,
        max: 1000000,
      }),
      target_length: nullable(
        integer(100, {
          label: "Target",
          help: "The best length; the value falls to 0 at this distance from it, or at 100 for smaller targets.",
          group,
          max: 1000000,
        }),
        "Any length between the two.",
      ),
      unit: choice("words", ["words", "tokens", "characters"], {
        label: "Counted in",
        help: "What the lengths count.",
        group,
      }),
    },
    rule: inOrder("min_length", "max_length"),
  },
  format: {
    label: "Tags in order",
    help: "1 when the answer is made of these tags alone, once each and in order, as <think>...</think> <answer>...</answer>.",
    aliases: ["format_reward", "tags", "tag_count", "tag_count_reward", "xml_format"],
    needs: [],
    params: {
      tags: list(["think", "answer"], {
        label: "Tags",
        help: "Names of the tags, in the order in which they must stand.",
        group,
      }),
      partial: flag(false, {
        label: "Part counts",
        help: "Gives the share of the tags that open and close exactly once, wherever they stand.",
        group,
      }),
    },
    rule: ({ tags }) => {
      const wrong = (tags as readonly string[]).find((tag) => !/^[\w.-]+$/.test(tag));
      if (wrong !== undefined)
        return {
          param: "tags",
          message: `A tag is a name such as think, without brackets; one is "${wrong}".`,
        };
      return (tags as readonly string[]).length === 0
        ? { param: "tags", message: "tags is empty, so there is nothing to look for." }
        : undefined;
    },
  },
  think_format: {
    label: "Thinks first",
    help: "1 when the answer begins with <think>, thinks once, and closes it with </think>; else 0.",
    aliases: ["think_format_reward", "thinking_format"],
    needs: [],
    params: {},
  },
  regex: {
    label: "Pattern",
    help: "1 when the regular expression is found in the answer; else 0.",
    aliases: ["regexp", "pattern", "regex_match", "regex_reward"],
    needs: [],
    params: {
      pattern: required(
        text("\\d+", {
          label: "Pattern",
          help: "A regular expression of JavaScript; Python's leading flags, such as (?is), are understood.",
          group,
          placeholder: "\\\\boxed\\{.+\\}",
        }),
      ),
      full_match: flag(false, {
        label: "Whole answer",
        help: "The pattern must cover the answer from beginning to end.",
        group,
      }),
      ignore_case: flag(false, { label: "Ignore case", help: "Capital letters make no difference.", group }),
    },
    spellings: { regex: "pattern", regexp: "pattern", fullmatch: "full_match" },
    rule: ({ pattern }) => {
      try {
        compilePattern(String(pattern));
        return undefined;
      } catch (error) {
        const said = error instanceof Error ? error.message : String(error);
        return { param: "pattern", message: `pattern is not a regular expression: ${said}.` };
      }
    },
  },
  json_valid: {
    label: "Valid JSON",
    help: "1 when the answer is one JSON value, with the required keys if any are named; else 0.",
    aliases: ["json", "valid_json", "json_format", "json_reward"],
    needs: [],
    params: {
      required_keys: list([], {
        label: "Required keys",
        help: "Keys that the object must have; without them any JSON value counts.",
        group,
      }),
      allow_fence: flag(true, {
        label: "Fence allowed",
        help: "JSON inside one fenced block, ```json ... ```, counts as well.",
        group,
      }),
    },
  },
  contains: {
    label: "Contains",
    help: "Whether these texts appear in the answer; without any, whether the reference does.",
    aliases: ["includes", "keyword", "keywords", "contains_reward"],
    needs: REFERENCE,
    inPlaceOfReference: "values",
    params: {
      values: list([], {
        label: "Texts",
        help: "What to look for. Empty: the reference answer.",
        group,
      }),
      mode: choice("all", ["all", "any", "share"], {
        label: "Counts",
        help: "all: 1 when every text is there; any: 1 when one is; share: how many of them are.",
        group,
      }),
      ignore_case: flag(true, { label: "Ignore case", help: "Capital letters make no difference.", group }),
    },
    spellings: { keywords: "values", texts: "values", words: "values" },
  },
  cosine_scaled: {
    label: "Right and short",
    help: "A right answer is worth more the shorter it is, a wrong one costs less the longer it is.",
    aliases: ["cosine", "cosine_scaled_reward", "get_cosine_scaled_reward", "cosine_reward"],
    needs: ["reference", "completion_ids"],
    params: {
      max_len: maxLength("Full length", "The length at which the value reaches its end."),
      min_value_wrong: number(-1, {
        label: "Wrong, short",
        help: "The value of the shortest wrong answer.",
        group,
        min: -1000,
        max: 1000,
      }),
      max_value_wrong: number(-0.5, {
        label: "Wrong, long",
        help: "The value of the longest wrong answer.",
        group,
        min: -1000,
        max: 1000,
      }),
      min_value_correct: number(0.5, {
        label: "Right, long",
        help: "The value of the longest right answer.",
        group,
        min: -1000,
        max: 1000,
      }),
      max_value_correct: number(1, {
        label: "Right, short",
        help: "The value of the shortest right answer.",
        group,
        min: -1000,
        max: 1000,
      }),
      tolerance,
    },
    spellings: { max_length: "max_len", max_completion_len: "max_len" },
    rule: (params) =>
      inOrder("min_value_wrong", "max_value_wrong")(params) ??
      inOrder("min_value_correct", "max_value_correct")(params),
  },
  repetition_penalty: {
    label: "Repetition",
    help: "Costs up to the greatest penalty as more of the answer's n-grams repeat; 0 when none does.",
    aliases: ["repetition", "repetition_penalty_reward", "get_repetition_penalty_reward"],
    needs: ["completion_ids"],
    params: {
      ngram_size: integer(3, {
        label: "n-gram",
        help: "How many in a row make an n-gram.",
        group,
        min: 1,
        max: 100,
      }),
      max_penalty: number(-1, {
        label: "Greatest penalty",
        help: "What an answer that only repeats itself comes close to.",
        group,
        min: -1000,
        max: 0,
      }),
      unit: choice("tokens", ["tokens", "words"], {
        label: "Counted in",
        help: "n-grams of tokens, as TRL has them, or of words without regard to case.",
        group,
      }),
    },
    spellings: { n: "ngram_size", ngram: "ngram_size" },
  },
  soft_overlong_punishment: {
    label: "Overlong",
    help: "0 up to a margin before the length limit, from there falling to -1 at the limit.",
    aliases: [
      "soft_overlong",
      "overlong",
      "soft_overlong_punishment_reward",
      "get_soft_overlong_punishment",
      "overlong_penalty",
    ],
    needs: ["completion_ids"],
    params: {
      max_completion_len: maxLength("Limit", "The length at which an answer costs 1."),
      soft_punish_cache: nullable(
        integer(50, {
          label: "Margin",
          help: "The cost begins this many tokens before the limit.",
          group,
          max: 131072,
          unit: "tokens",
        }),
        "A fifth of the limit.",
      ),
    },
    spellings: {
      max_len: "max_completion_len",
      max_completion_length: "max_completion_len",
      overlong_buffer: "soft_punish_cache",
    },
    rule: ({ max_completion_len: limit, soft_punish_cache: margin }) =>
      limit !== null && margin !== null && Number(margin) > Number(limit)
        ? {
            param: "soft_punish_cache",
            message: `soft_punish_cache (${String(margin)}) is longer than max_completion_len (${String(limit)}). Make it shorter.`,
          }
        : undefined,
  },
  bleu: {
    label: "BLEU",
    help: "How many of the answer's words and runs of up to four words are in the reference, 0 to 1.",
    aliases: ["bleu_score", "sacrebleu", "bleu_reward"],
    needs: REFERENCE,
    params: {},
  },
  rouge: {
    label: "ROUGE",
    help: "How much the answer and the reference have in common, in words (F1), 0 to 1.",
    aliases: ["rouge_l", "rougel", "rouge_score", "rouge_reward"],
    needs: REFERENCE,
    params: {
      rouge_type: choice("rougeL", ["rouge1", "rouge2", "rougeL"], {
        label: "Kind",
        help: "rougeL: the longest common run of words with gaps; rouge1, rouge2: words, or pairs of words.",
        group,
      }),
      use_stemmer: flag(true, {
        label: "Word stems",
        help: "Compares English words by their stems, so that walks equals walking.",
        group,
      }),
    },
    spellings: { variant: "rouge_type", type: "rouge_type", stemmer: "use_stemmer" },
  },
} as const satisfies Readonly<Record<string, RewardEntry>>;

export type RewardId = keyof typeof REWARDS;
export const REWARD_IDS = Object.keys(REWARDS) as readonly RewardId[];

/** All parameters of a built-in reward, each with a value. */
export type RewardParams<Id extends RewardId> = Values<(typeof REWARDS)[Id]["params"]>;

export const isRewardId = (name: string): name is RewardId => Object.hasOwn(REWARDS, name);
export const rewardEntry = (id: RewardId): RewardEntry => REWARDS[id];

const plain = (name: string): string =>
  name
    .trim()
    .toLowerCase()
    .replace(/[\s.-]+/g, "_");

const BY_NAME = new Map<string, RewardId>(
  REWARD_IDS.flatMap((id) => [id, ...REWARDS[id].aliases].map((name) => [name, id] as const)),
);

/** The reward that a name means, in any of its spellings. */
export const rewardNamed = (name: string): RewardId | undefined => BY_NAME.get(plain(name));

/** Every name that is understood. */
export const REWARD_NAMES: readonly string[] = [...BY_NAME.keys()];

const MODEL = "it needs a classifier or embedding model of its own";
const PYTHON = "it runs or parses generated Python";
const PHRASES = "it counts stock phrases";
const NOT_OFFERED: Readonly<Record<string, string>> = {
  [MODEL]: "sentiment safety toxicity bertscore semantic_similarity",
  [PYTHON]: "code code_syntax code_execution code_completeness code_quality code_correctness mbpp_reward",
  "it needs a dictionary of synonyms": "meteor",
  "it always gives the same value there": "image_relevance audio_quality",
  [PHRASES]: `coherence factuality bias counterfactual_math logical_consistency commonsense hallucination politeness
    helpfulness honesty harmlessness diversity fluency relevance brevity conciseness readability engagement
    instruction_following context_relevance temporal_consistency medical_accuracy legal_compliance financial_accuracy
    causal_reasoning counterfactual_reasoning`,
};

/** Why a reward of AlignTune's is not among ours, or undefined when the name is not one of its own. */
export const whyNoSuchReward = (name: string): string | undefined =>
  Object.entries(NOT_OFFERED).find(([, names]) => names.split(/\s+/).includes(plain(name)))?.[0];

/** What every reward has besides its own parameters, as the page draws it. */
export const REWARD_SETTINGS = {
  weight: number(1, {
    label: "Weight",
    help: "The value is multiplied by it before the rewards are summed.",
    group,
    min: -1e6,
    max: 1e6,
  }),
  normalize: flag(false, {
    label: "Normalize",
    help: "Uses (value - mean) / (standard deviation + 0.0001) over all answers of a rollout to which the reward applies.",
    group,
  }),
  clip: nullable(
    numbers([-1, 1], {
      label: "Clip",
      help: "Keeps the value, after normalize, between two numbers, of which an empty one is open; one number c means from -c to c.",
      group,
    }),
    "Not clipped.",
  ),
} satisfies Fields;
