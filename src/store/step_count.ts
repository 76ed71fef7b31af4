import type { GivenSettings } from "../protocol/values.ts";

/** How many optimizer steps a run takes: as given, or about as many as its epochs make. Null where it cannot be said yet. */
export function stepCount(
  values: GivenSettings,
  trainRows: number | undefined,
): { readonly steps: number; readonly exact: boolean } | null {
  const number = (key: string, otherwise: number): number => {
    const value = values[key];
    return typeof value === "number" ? value : otherwise;
  };
  if (typeof values["max_steps"] === "number") return { steps: values["max_steps"], exact: true };
  const epochs = values["num_epochs"];
  const perStep = number("batch_size", 0) * number("gradient_accumulation_steps", 1);
  if (trainRows === undefined || typeof epochs !== "number" || perStep <= 0) return null;
  // Each prompt is answered by a whole group, and learned from in several passes.
  const answers = trainRows * number("num_generations", 1);
  const passes = number("num_iterations", 1) * number("num_ppo_epochs", 1) * number("num_mini_batches", 1);
  const steps = Math.ceil(Math.ceil(answers / perStep) * passes * epochs);
  return { steps: Math.max(1, steps), exact: false };
}
