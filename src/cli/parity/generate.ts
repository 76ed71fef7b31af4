import { profileFor } from "../../kernels/profile.ts";
import { loadFrozen } from "../../model/loaded_model.ts";
import { Generator } from "../../rollout/generator.ts";
import { GREEDY } from "../../rollout/sampling.ts";
import type { Comparison } from "./compare.ts";
import { type GoldenCase, integers, unpad } from "./golden_case.ts";
import type { Mode, Subject } from "./subject.ts";

/** new_ids (B, N) by greedy decoding that never stops early. */
export async function runGenerate(subject: Subject, golden: GoldenCase, mode: Mode): Promise<number[]> {
  const { gpu, model, spec, adapter } = subject;
  const ids = await integers(golden.inputs, "input_ids");
  const prompts = unpad(ids, await integers(golden.inputs, "attention_mask")).map((row) => row.ids);
  const { max_new_tokens: maxNewTokens, repetition_penalty = 1, do_sample = false } = golden.params;
  if (typeof maxNewTokens !== "number" || typeof repetition_penalty !== "number" || do_sample !== false)
    throw new Error("params: expected max_new_tokens, do_sample false and a repetition_penalty");
  const loaded = await loadFrozen(gpu, { model, spec, adapter, baseFormat: mode.baseFormat });
  const lengths = prompts.map((prompt) => prompt.length);
  const generator = await Generator.create(gpu, {
    ...{ spec, ...loaded },
    profile: profileFor(gpu.capabilities),
    maxSequences: prompts.length,
    maxPromptTokens: lengths.reduce((sum, length) => sum + length, 0),
    maxLength: Math.max(...lengths) + maxNewTokens,
  });
  const sampling = { ...GREEDY, repetition_penalty };
  const completions = await generator.generate({ prompts, maxNewTokens, sampling, stopIds: [] });
  return completions.flatMap((completion) => completion.ids);
}

export async function checkGenerate(
  subject: Subject,
  golden: GoldenCase,
  mode: Mode,
  comparison: Comparison,
): Promise<void> {
  const actual = await runGenerate(subject, golden, mode);
  comparison.equal("new_ids", actual, (await integers(golden.expected, "new_ids")).data);
}
