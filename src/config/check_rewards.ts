import { readValue } from "./read_value.ts";
import {
  REWARD_IDS,
  REWARD_NAMES,
  type RewardEntry,
  type RewardId,
  type RewardParams,
  rewardEntry,
  rewardNamed,
  whyNoSuchReward,
} from "./reward_catalog.ts";
import { languageOfCode, languageOfFile } from "./reward_source.ts";
import { REWARD_MODEL, type RewardSpec } from "./rewards.ts";
import { nearest } from "./suggest.ts";

/** What a check has against the rewards; `inner` is the place within the list: `0.params.min_length`. */
export interface RewardFinding {
  readonly inner: string;
  readonly message: string;
  readonly suggestion?: string | undefined;
  readonly note?: true;
}

export interface CheckedRewards {
  /** With parameters read (numbers that were written as texts) and those left out that have no meaning here. */
  readonly rewards: readonly RewardSpec[];
  readonly findings: readonly RewardFinding[];
}

interface Checked {
  readonly reward: RewardSpec;
  readonly findings: readonly RewardFinding[];
}

/** All parameters of a built-in reward: those given, and the defaults of the others. */
export function rewardParams<Id extends RewardId>(
  id: Id,
  params: Readonly<Record<string, unknown>>,
): RewardParams<Id> {
  const entries = Object.entries(rewardEntry(id).params).map(([key, field]) => [
    key,
    params[key] ?? field.default,
  ]);
  return Object.fromEntries(entries) as RewardParams<Id>;
}

/** Whether a reward needs a reference answer to say anything at all. Custom rewards are not known to. */
export function needsReference(reward: RewardSpec): boolean {
  const id = rewardNamed(reward.type);
  if (id === undefined) return false;
  const { needs, inPlaceOfReference } = rewardEntry(id);
  const instead = inPlaceOfReference === undefined ? undefined : reward.params[inPlaceOfReference];
  return needs.includes("reference") && !(Array.isArray(instead) && instead.length > 0);
}

function unknownParam(entry: RewardEntry, type: string, key: string): RewardFinding {
  const inner = `params.${key}`;
  const unused = entry.unused?.[key];
  if (unused !== undefined) return { inner, message: `${key} is not used. ${unused}`, note: true };
  const own = entry.spellings?.[key];
  if (own !== undefined)
    return { inner, message: `${key} and ${own} are the same parameter of ${type}. Keep one of them.` };
  const names = Object.keys(entry.params);
  const known = names.length === 0 ? "It has none." : `It has ${names.join(", ")}.`;
  const message = `${type} has no parameter ${key}. ${known}`;
  return { inner, message, suggestion: nearest(key, names) };
}

interface ReadParams {
  readonly params: Record<string, unknown>;
  readonly findings: RewardFinding[];
}

function readParams(entry: RewardEntry, { type, params: given }: RewardSpec): ReadParams {
  const params: Record<string, unknown> = {};
  const findings: RewardFinding[] = [];
  for (const [key, value] of Object.entries(given)) {
    const field = Object.hasOwn(entry.params, key) ? entry.params[key] : undefined;
    if (field === undefined) {
      findings.push(unknownParam(entry, type, key));
      continue;
    }
    const reading = readValue(key, field, value);
    if (reading.ok === true) params[key] = reading.value;
    else if (reading.ok === false)
      findings.push({ inner: `params.${key}`, message: reading.message, suggestion: reading.suggestion });
  }
  return { params, findings };
}

function checkBuiltIn(id: RewardId, reward: RewardSpec): Checked {
  const entry = rewardEntry(id);
  const { params, findings } = readParams(entry, reward);
  const open = Object.entries(entry.params).filter(
    ([key, field]) => field.required && (params[key] ?? null) === null,
  );
  for (const [key, field] of open) {
    if (findings.some(({ inner }) => inner === `params.${key}`)) continue;
    findings.push({ inner: "params", message: `${id} needs the parameter ${key}: ${field.help}` });
  }
  if (reward.code !== undefined || reward.file !== undefined) {
    const message = `${id} is a built-in reward and takes no code of its own. Write type: custom, and name: ${id} if that is what to call it.`;
    findings.push({ inner: "type", message, suggestion: "custom" });
  }
  if (findings.every(({ note }) => note === true)) {
    const broken = entry.rule?.(rewardParams(id, params));
    if (broken) findings.push({ inner: `params.${broken.param}`, message: broken.message });
  }
  return { reward: { ...reward, type: id, params }, findings };
}

function checkCustom(reward: RewardSpec): Checked {
  const { code, file, language } = reward;
  const findings: RewardFinding[] = [];
  if (code !== undefined && file !== undefined) {
    findings.push({ inner: "file", message: "A custom reward has both code and a file. Keep one of them." });
  }
  if (file !== undefined && language === undefined && languageOfFile(file) === undefined) {
    const message = `${file} is not a file that functions are read from: those end in .py, .js, .mjs or .ts.`;
    findings.push({ inner: "file", message });
  }
  const isSource = typeof code === "string" && /[\s(]/.test(code.trim());
  if (isSource && language === undefined && languageOfCode(code) === undefined) {
    const message =
      "The language of the code cannot be told: it has no def, function or =>. Set language to python, javascript or typescript.";
    findings.push({ inner: "language", message });
  }
  return { reward, findings };
}

function checkModel(reward: RewardSpec): Checked {
  const findings = [
    ...Object.keys(reward.params).map((key) => ({
      inner: `params.${key}`,
      message: `${REWARD_MODEL} has no parameter ${key}. It has none; reward_model_name says which model scores.`,
    })),
    ...(["code", "file"] as const)
      .filter((key) => reward[key] !== undefined)
      .map((key) => ({
        inner: key,
        message: `${REWARD_MODEL} is the score of reward_model_name and takes no code of its own. Write type: custom for a reward with code.`,
      })),
  ];
  return { reward, findings };
}

function checkUnknown(reward: RewardSpec): Checked {
  const { type, code, file } = reward;
  const why = whyNoSuchReward(type);
  const list = `The built-in ones are ${REWARD_IDS.join(", ")}.`;
  const close = nearest(type, REWARD_NAMES);
  const finding = (message: string, suggestion?: string) => ({
    reward,
    findings: [{ inner: "type", message, suggestion }],
  });
  if (code !== undefined || file !== undefined)
    return finding(
      `There is no reward "${type}". One with code of its own has type: custom and name: ${type}.`,
      "custom",
    );
  if (why !== undefined)
    return finding(
      `AlignTune's reward ${type} is not offered here: ${why}. Write it as a custom reward. ${list}`,
    );
  return finding(
    `There is no reward "${type}". ${list}`,
    close === undefined ? undefined : rewardNamed(close),
  );
}

function checkClip({ clip }: RewardSpec): readonly RewardFinding[] {
  const [low = null, high = null] = clip ?? [];
  if (low === null || high === null || low <= high) return [];
  return [{ inner: "clip", message: `clip goes from ${low} to ${high}. Write the smaller number first.` }];
}

function checkOne(reward: RewardSpec): Checked {
  if (reward.type === "custom") return checkCustom(reward);
  if (reward.type === REWARD_MODEL) return checkModel(reward);
  const id = rewardNamed(reward.type);
  return id === undefined ? checkUnknown(reward) : checkBuiltIn(id, reward);
}

function checkReward(reward: RewardSpec): Checked {
  const { reward: read, findings } = checkOne(reward);
  return { reward: read, findings: [...findings, ...checkClip(reward)] };
}

/** Reads the parameters of every reward and says what is wrong with them. */
export function checkRewards(rewards: readonly RewardSpec[]): CheckedRewards {
  const checked = rewards.map(checkReward);
  const findings = checked.flatMap((one, i) =>
    one.findings.map((finding) => ({ ...finding, inner: `${i}.${finding.inner}` })),
  );
  return { rewards: checked.map((one) => one.reward), findings };
}
