import { checkRewards, rewardParams } from "../config/check_rewards.ts";
import { configInvalid } from "../config/issues.ts";
import { isRewardId, type RewardId } from "../config/reward_catalog.ts";
import { languageOfCode, languageOfFile } from "../config/reward_source.ts";
import { REWARD_MODEL, type RewardSpec, rewardNames } from "../config/rewards.ts";
import type {
  Limits,
  RewardItem,
  Scored,
  TrainerState,
  UserCode,
  UserError,
  UserFunction,
  UserSource,
} from "../host/user_code.ts";
import { AppError } from "../lib/errors.ts";
import { openDirect } from "../sandbox/direct_function.ts";
import { adjust, combine } from "./combine.ts";
import { readScore, readScores, threw } from "./read_score.ts";
import { BUILT_IN } from "./registry.ts";
import type { Reward, RewardTools, ScoredItem } from "./reward.ts";

export interface ScorerTools extends RewardTools {
  /** Undefined where no code of a person can be run: source text is then refused. */
  readonly userCode: UserCode | undefined;
  /** The text of a file, by its path as the configuration writes it. Throws what a person should read. */
  readonly readFile: (path: string) => Promise<string>;
  /** Milliseconds of any clock. */
  readonly now: () => number;
  /** Of a person's code; its own defaults when absent. */
  readonly limits?: Limits | undefined;
  /** The scores of the run's reward model; what it throws ends the run. */
  readonly rewardModel?: ((items: readonly ScoredItem[]) => Promise<readonly number[]>) | undefined;
}

/** What one reward said of a rollout; every list has one entry for each completion. */
export interface RewardScores {
  readonly name: string;
  /** As the reward gave them: what metrics and tables show. Null: it did not apply, or failed. */
  readonly values: readonly (number | null)[];
  /** After normalize and clip: what the sum is made of. */
  readonly adjusted: readonly (number | null)[];
  readonly errors: readonly (UserError | undefined)[];
  readonly failures: number;
  readonly milliseconds: number;
}

export interface ScoreResult {
  /** In the order of the configuration. */
  readonly rewards: readonly RewardScores[];
  /** The weighted sum for each completion; null where no reward applied. */
  readonly total: readonly (number | null)[];
  /** Failed calls of the reward that fails most, as a share of its calls: one broken reward shows among many good ones. */
  readonly failureShare: number;
}

/** More than this share of a step's calls failing is a reason to pause. */
export const MOST_FAILURES = 0.2;

export interface Scorer {
  readonly names: readonly string[];
  /** What a person should know of how the rewards were read. */
  readonly notes: readonly string[];
  /** Scores a rollout: everything that is to be normalized together. Never rejects for what a person's reward does. */
  score(items: readonly ScoredItem[], state?: TrainerState): Promise<ScoreResult>;
  /** What code of a person printed since it was last asked, by reward. */
  logs(): Readonly<Record<string, readonly string[]>>;
  close(): void;
}

function builtIn<Id extends RewardId>(
  id: Id,
  spec: RewardSpec,
  tools: RewardTools,
): (items: readonly ScoredItem[]) => Scored[] {
  const reward: Reward<Id> = BUILT_IN[id];
  const score = reward.create(rewardParams(id, spec.params), tools);
  return (items) =>
    items.map((item) => {
      try {
        return readScore(score(item));
      } catch (error) {
        return threw(error);
      }
    });
}

async function sourceOf(spec: RewardSpec, title: string, tools: ScorerTools): Promise<UserSource> {
  const { code, file, language, function: name } = spec;
  const text = file === undefined ? String(code) : await tools.readFile(file);
  const found = language ?? (file === undefined ? languageOfCode(text) : languageOfFile(file));
  if (found === undefined) {
    const message = `The language of the reward ${title} cannot be told. Set its language to python, javascript or typescript.`;
    throw new AppError("config-invalid", message);
  }
  const where = file === undefined ? title : name === undefined ? file : `${file}#${name}`;
  return { code: text, language: found, name, purpose: "reward", title: where };
}

/** Parameters of a custom reward reach it by name, as further columns do; a column of that name comes first. */
function withParams(items: readonly ScoredItem[], { params }: RewardSpec): readonly RewardItem[] {
  return items.map(({ truncated: _, ...item }) => ({ ...item, row: { ...params, ...item.row } }));
}

/** What came back from elsewhere, held to what it should be. */
function readAll(scored: readonly Scored[], count: number): readonly Scored[] {
  if (scored.length !== count) return readScores(scored, count);
  return scored.map((one) =>
    one.error === undefined ? readScore(one.value) : { value: null, error: one.error },
  );
}

interface Opened {
  readonly name: string;
  /** The engine's own work: when it throws, the device is gone or a file is damaged, and no other answer would do better. */
  readonly isEngine?: true;
  readonly score: (items: readonly ScoredItem[], state?: TrainerState) => Promise<readonly Scored[]>;
  readonly opened?: UserFunction;
}

function openModel(name: string, { rewardModel }: ScorerTools): Opened {
  if (rewardModel === undefined) {
    throw new AppError("config-invalid", `The reward ${name} needs a reward model: set reward_model_name.`);
  }
  const score = async (items: readonly ScoredItem[]) =>
    (await rewardModel(items)).map((value) => ({ value }));
  return { name, score, isEngine: true };
}

async function open(spec: RewardSpec, name: string, tools: ScorerTools): Promise<Opened> {
  const { type, code, file } = spec;
  if (type === REWARD_MODEL) return openModel(name, tools);
  if (isRewardId(type)) {
    const score = builtIn(type, spec, tools);
    return { name, score: (items) => Promise.resolve(score(items)) };
  }
  const call = (opened: UserFunction, limits: Limits | undefined): Opened => ({
    ...{ name, opened },
    score: (items, state) => opened.score(withParams(items, spec), limits, state),
  });
  // A program's own function is called in place: nothing can end it, so nothing limits it.
  if (typeof code === "function") return call(await openDirect(code, name), undefined);
  if (code === undefined && file === undefined) {
    throw new AppError(
      "config-invalid",
      `The reward ${name} has no code. Paste its source, or name its file.`,
    );
  }
  const { userCode, limits } = tools;
  if (userCode === undefined) {
    throw new AppError("config-invalid", `The reward ${name} is source text, which cannot be run here.`);
  }
  return call(await userCode.open(await sourceOf(spec, name, tools)), limits);
}

const crashed = (error: unknown): Scored => {
  const message = error instanceof Error ? error.message : String(error);
  return { value: null, error: { kind: "crashed", message } };
};

async function scoreOne(
  one: Opened,
  spec: RewardSpec,
  items: readonly ScoredItem[],
  now: () => number,
  state: TrainerState | undefined,
): Promise<RewardScores> {
  const began = now();
  let scored: readonly Scored[];
  try {
    scored = readAll(await one.score(items, state), items.length);
  } catch (error) {
    if (one.isEngine || (error instanceof AppError && error.code === "cancelled")) throw error;
    scored = items.map(() => crashed(error));
  }
  const values = scored.map(({ value }) => value);
  const errors = scored.map(({ error }) => error);
  const failures = errors.filter((error) => error !== undefined).length;
  return {
    name: one.name,
    values,
    adjusted: adjust(values, spec),
    errors,
    failures,
    milliseconds: now() - began,
  };
}

/**
 * Opens every reward of a run. Throws `config-invalid` for types, parameters and languages that are wrong, and what opening a
 * person's code throws; nothing stays open then.
 */
export async function createScorer(given: readonly RewardSpec[], tools: ScorerTools): Promise<Scorer> {
  const { rewards, findings } = checkRewards(given);
  const issues = findings.filter(({ note }) => note !== true);
  if (issues.length > 0) {
    throw configInvalid(
      issues.map(({ inner, message, suggestion }) => ({ path: `rewards.${inner}`, message, suggestion })),
    );
  }
  const names = rewardNames(rewards);
  const opened: Opened[] = [];
  const close = (): void => {
    for (const one of opened) one.opened?.close();
  };
  try {
    for (const [i, spec] of rewards.entries()) opened.push(await open(spec, names[i] ?? spec.type, tools));
  } catch (error) {
    close();
    throw error;
  }
  return {
    ...{ names, close },
    notes: opened.flatMap((one) => (one.opened?.repaired ?? []).map((line) => `${one.name}: ${line}`)),
    logs: () =>
      Object.fromEntries(
        opened.flatMap((one) => (one.opened === undefined ? [] : [[one.name, one.opened.logs()]])),
      ),
    score: async (items, state) => {
      const scores: RewardScores[] = [];
      for (const [i, one] of opened.entries()) {
        const spec = rewards[i];
        if (spec !== undefined) scores.push(await scoreOne(one, spec, items, tools.now, state));
      }
      const total = combine(
        rewards,
        scores.map(({ values }) => values),
      );
      const share = Math.max(0, ...scores.map(({ failures }) => failures / Math.max(1, items.length)));
      return { rewards: scores, total, failureShare: share };
    },
  };
}

/** What a kept rollout says of one completion: values by name, their weighted sum, and the errors there were. */
export function recordScores(
  result: ScoreResult,
  item: number,
): {
  readonly rewards: Readonly<Record<string, number | null>>;
  readonly reward: number | null;
  readonly errors?: Readonly<Record<string, string>>;
} {
  const rewards = Object.fromEntries(result.rewards.map(({ name, values }) => [name, values[item] ?? null]));
  const errors = result.rewards.flatMap(({ name, errors: all }): [string, string][] => {
    const { message, line } = all[item] ?? {};
    return message === undefined ? [] : [[name, line === undefined ? message : `${message} (line ${line})`]];
  });
  const reward = result.total[item] ?? null;
  return { rewards, reward, ...(errors.length === 0 ? {} : { errors: Object.fromEntries(errors) }) };
}
