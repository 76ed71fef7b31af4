import type { RunConfig } from "../config/fields.ts";
import { AppError } from "../lib/errors.ts";
import { formatBytes } from "../lib/format_bytes.ts";
import { baseFormatOf } from "../trainer/engine_for.ts";

export type Backend = "trl" | "unsloth";

/** What memory decides where a configuration leaves it open. Every checkpoint keeps it: resuming never chooses again. */
export interface MemoryChoice {
  readonly backend: Backend;
  /** Activations are computed again in the backward pass. */
  readonly rematerialize: boolean;
}

/** The ways to run a configuration, the fastest first. Ways that would take the same memory are one. */
export function choicesOf(config: RunConfig): readonly MemoryChoice[] {
  const { backend, gradient_checkpointing: given } = config;
  const remade = (own: readonly boolean[]) => (given === null ? own : [given]);
  const trl = remade([false, true]).map((rematerialize) => ({ backend: "trl" as const, rematerialize }));
  const unsloth = remade([true]).map((rematerialize) => ({ backend: "unsloth" as const, rematerialize }));
  if (backend === "trl") return trl;
  if (backend === "unsloth") return unsloth;
  const formOf = (choice: MemoryChoice) =>
    `${baseFormatOf(withChoice(config, choice))} ${choice.rematerialize}`;
  const forms = new Set(trl.map(formOf));
  return [...trl, ...unsloth.filter((choice) => !forms.has(formOf(choice)))];
}

/** The configuration with nothing left open. */
export function withChoice<C extends Pick<RunConfig, "backend" | "gradient_checkpointing">>(
  config: C,
  { backend, rematerialize }: MemoryChoice,
): C {
  return { ...config, backend, gradient_checkpointing: rematerialize };
}

/** In bytes; undefined when the person set none. */
export function budgetOf({ gpu_memory_gb: gigabytes }: Pick<RunConfig, "gpu_memory_gb">): number | undefined {
  return gigabytes === null ? undefined : gigabytes * 1e9;
}

/** Why a run of so many bytes may not start, where the configuration sets a bound. */
export function overBudget(config: Pick<RunConfig, "gpu_memory_gb">, total: number): AppError | undefined {
  const budget = budgetOf(config);
  if (budget === undefined || total <= budget) return undefined;
  return new AppError(
    "gpu-out-of-memory",
    `This run would take ${formatBytes(total)} of GPU memory, and gpu_memory_gb allows ${formatBytes(budget)}.`,
    { details: { key: "gpu_memory_gb", bytes: total, limit: budget } },
  );
}

/** What a person should know where memory decided otherwise than for the fastest way. `refused` is why that was not taken. */
export function choiceNote(
  { backend, rematerialize }: MemoryChoice,
  refused: AppError | undefined,
): readonly string[] {
  if (!refused) return [];
  const what =
    backend === "unsloth"
      ? "Uses the unsloth backend, with four bits and recomputation"
      : rematerialize
        ? "Recomputes activations in the backward pass"
        : "Uses less memory";
  return [`${what}, because the faster way does not fit: ${refused.message}`];
}
