import type { Recorder } from "../../gpu/recorder.ts";
import type { Tensor } from "../../gpu/tensor.ts";
import type { KernelProfile } from "../profile.ts";
import { sampleDraw } from "./sample_draw.ts";
import { sampleFilter } from "./sample_filter.ts";

/**
 * Records one decoding step's choice of a token for each of `step.R` sequences, by `Step`'s temperature (0 is greedy),
 * penalty, top_k (0 is off), top_p (1 is off) and min_p (0 is off), in Hugging Face's order. The noise is a function of
 * (step.seed, keys[row], step.step, token), so a sequence draws the same whatever runs beside it.
 * z (rows, vocab) holds raw logits and is changed; seen (rows, ceil(vocab / 32)) u32 has the bits of the tokens of prompt
 * and output, and gets the new one; keys (rows) u32 is a table; tokens (rows) u32; logps (rows, 2) f32 are of the token,
 * without penalty and filters: of softmax(z), and of softmax(z / temperature).
 */
export function sampleToken(
  recorder: Recorder,
  profile: KernelProfile,
  args: Record<"z" | "seen" | "keys" | "tokens" | "logps", Tensor>,
  { vocab, softcap }: { readonly vocab: number; readonly softcap: number },
): void {
  const { z, seen } = args;
  const stats = recorder.alloc("sample.stats", [z.shape[0] ?? 0, 4]);
  const options = { vocab, softcap, threads: profile.kind === "cpu" ? 1 : 256 };
  sampleFilter(recorder, { z, seen, stats }, options);
  sampleDraw(recorder, { ...args, stats }, options);
}
