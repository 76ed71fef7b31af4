import type { Gpu } from "../../gpu/device.ts";
import { profileFor } from "../../kernels/profile.ts";
import { loadModel } from "../../model/loaded_model.ts";
import { Generator } from "../../rollout/generator.ts";
import { GREEDY } from "../../rollout/sampling.ts";
import { median } from "./measure.ts";
import { smallModel } from "./random_model.ts";
import { figure, milliseconds, type Section } from "./section.ts";

const [PROMPT, NEW, RUNS] = [16, 32, 5] as const;
const SEQUENCES = [1, 8, 32];

/** Greedy answers of a model of a million parameters to 1, 8 and 32 prompts side by side. */
export async function measureDecoding(gpu: Gpu): Promise<Section> {
  const { model, spec } = await smallModel(4);
  const { weights } = await loadModel(gpu, {
    model,
    spec,
    trainable: { kind: "full" },
    baseFormat: "stored",
  });
  const most = Math.max(...SEQUENCES);
  const generator = await Generator.create(gpu, {
    ...{ spec, weights, adapter: undefined, profile: profileFor(gpu.capabilities) },
    ...{ maxSequences: most, maxPromptTokens: most * PROMPT, maxLength: PROMPT + NEW },
  });
  const results: { sequences: number; first: number; best: number; median: number }[] = [];
  for (const sequences of SEQUENCES) {
    const prompts = Array.from({ length: sequences }, (_, i) =>
      Uint32Array.from({ length: PROMPT }, (_, t) => (31 * i + 7 * t) % spec.vocab),
    );
    const run = async () => {
      const start = performance.now();
      await generator.generate({ prompts, maxNewTokens: NEW, sampling: GREEDY, stopIds: [] });
      return (performance.now() - start) / 1000;
    };
    const first = await run();
    await run();
    const walls: number[] = [];
    for (let i = 0; i < RUNS; i++) walls.push(await run());
    results.push({ sequences, first, best: Math.min(...walls), median: median(walls) });
  }
  return {
    title: `Generation: ${NEW} new tokens after prompts of ${PROMPT}, greedy, the same model`,
    header: ["sequences", "first", "best", "median", "tokens/s best", "median"],
    rows: results.map(({ sequences, first, best, median: middle }) => [
      ...[String(sequences), milliseconds(first), milliseconds(best), milliseconds(middle)],
      ...[figure((sequences * NEW) / best), figure((sequences * NEW) / middle)],
    ]),
    notes: ["Prefill is part of the time."],
    data: { promptTokens: PROMPT, newTokens: NEW, results },
  };
}
