import type { RunConfig } from "../config/fields.ts";
import { baseFormatOf } from "../trainer/engine_for.ts";

export type SettingsChange = Readonly<Record<string, number | string | boolean>>;

/** One way to take less memory, in steps that go further and further. */
export interface ChangeLadder {
  readonly rungs: readonly SettingsChange[];
  readonly label: (change: SettingsChange) => string;
  readonly harm: (change: SettingsChange) => string;
  /** It cuts rows, which can be counted. */
  readonly cuts?: true;
}

/** Half of it, half of that, and so on, as long as it is at least `least`. */
function halves(from: number, least: number): readonly number[] {
  const found: number[] = [];
  for (let size = Math.floor(from / 2); size >= least; size = Math.floor(size / 2)) found.push(size);
  return found;
}

/** The ways to make a run smaller that its settings have, the least harm first. Pure. */
export function changesFor(config: RunConfig): readonly ChangeLadder[] {
  return [
    fewerRows(config),
    recomputation(config),
    fourBits(config),
    shorter(config),
    fewerAnswers(config),
    smallerRank(config),
  ].filter((ladder) => ladder.rungs.length > 0);
}

function fewerRows(config: RunConfig): ChangeLadder {
  const now = Math.min(config.forward_batch_size ?? config.batch_size, config.batch_size);
  // With rewards it has no effect: what is held out is answered like a rollout.
  const evaluated = "rewards" in config ? 0 : config.eval_batch_size;
  return {
    rungs: halves(now, 1).map((rows) => ({
      forward_batch_size: rows,
      ...(evaluated > rows && { eval_batch_size: rows }),
    })),
    label: ({ forward_batch_size: rows }) => `Rows on the GPU at once: ${now} → ${rows}`,
    harm: () => "The same result but for rounding; more time.",
  };
}

function recomputation({ gradient_checkpointing: given }: RunConfig): ChangeLadder {
  return {
    // Where it is left open, memory decides it already.
    rungs: given === false ? [{ gradient_checkpointing: true }] : [],
    label: () => "Recompute activations",
    harm: () => "The same result; about a third more time.",
  };
}

function fourBits(config: RunConfig): ChangeLadder {
  const { backend, peft_enabled: hasAdapter, load_in_4bit: given } = config;
  // Where it is left open, memory decides it already.
  const isOpen = backend === "auto" && given === null;
  const stored = hasAdapter && baseFormatOf(config) === "stored";
  return {
    rungs: stored && !isOpen ? [{ backend: "unsloth", load_in_4bit: true }] : [],
    label: () => "Hold the base weights in 4 bit (backend unsloth)",
    harm: () => "The base model is slightly less exact.",
  };
}

function shorter(config: RunConfig): ChangeLadder {
  if (!("max_completion_length" in config)) {
    const now = config.max_seq_length;
    return {
      rungs: halves(now, 16).map((length) => ({ max_seq_length: length })),
      label: ({ max_seq_length: length }) => `Maximum length: ${now} → ${length} tokens`,
      harm: () => "Longer rows are cut.",
      cuts: true,
    };
  }
  const { max_completion_length: now, max_seq_length: whole } = config;
  return {
    // Prompts keep their room.
    rungs: halves(now, 16).map((length) => ({
      max_completion_length: length,
      max_seq_length: whole - (now - length),
    })),
    label: ({ max_completion_length: length }) => `Length of answers: ${now} → ${length} tokens`,
    harm: ({ max_completion_length: length }) => `Answers end after ${length} tokens.`,
  };
}

function fewerAnswers(config: RunConfig): ChangeLadder {
  const now = config.batch_size;
  const answers = "max_completion_length" in config;
  const rungs = answers
    ? halves(now, 1).map((batch) => ({ batch_size: batch, ...groupOf(config, batch) }))
    : [];
  return {
    rungs: rungs.filter((change) => !("num_generations" in change) || change.num_generations > 1),
    label: ({ batch_size: batch }) => `Answers at a time: ${now} → ${batch}`,
    harm: ({ num_generations: group }) =>
      group === undefined
        ? "Each step learns from fewer answers, so steps are noisier."
        : `Each step learns from fewer answers, ${group} to a prompt, so steps are noisier.`,
  };
}

/** The largest group that a rollout of so many answers divides into. */
function groupOf(config: RunConfig, batch: number): { num_generations?: number } {
  if (!("num_generations" in config)) return {};
  const rollout = batch * config.steps_per_generation;
  let size = Math.min(config.num_generations, rollout);
  while (size > 1 && rollout % size !== 0) size--;
  return { num_generations: size };
}

function smallerRank(config: RunConfig): ChangeLadder {
  const { lora_rank: now, lora_alpha: alpha, peft_enabled: hasAdapter, use_rslora: stable } = config;
  const fresh = hasAdapter && config.adapter_name_or_path === null;
  return {
    // The scale of the adapter stays: alpha over the rank, or over its root.
    rungs: (fresh ? halves(now, 4) : []).map((rank) => ({
      lora_rank: rank,
      lora_alpha: Math.max(1, Math.round(alpha * (stable ? Math.sqrt(rank / now) : rank / now))),
    })),
    label: ({ lora_rank: rank }) => `LoRA rank: ${now} → ${rank}`,
    harm: () => "The adapter can learn less.",
  };
}
