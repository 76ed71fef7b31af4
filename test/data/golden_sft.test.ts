import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { loadChatTemplate } from "../../src/data/chat_template.ts";
import { readExamples } from "../../src/data/dataset_formats.ts";
import { packedRows, type TrainingRow, unpackedRows } from "../../src/data/packed_rows.ts";
import type { PackingStrategy } from "../../src/data/packing.ts";
import { readRows } from "../../src/data/rows.ts";
import { buildSftExamples } from "../../src/data/sft_examples.ts";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { rowsInMemory } from "../../src/data/train_rows.ts";
import { assetOf, goldenFolder, goldenText } from "./support/files.ts";
import { takeSteps } from "./support/steps.ts";

/** The keys of a run's config.yaml that decide what is read when. */
interface RunConfig {
  readonly seed: number;
  readonly batch_size: number;
  readonly gradient_accumulation_steps: number;
  readonly max_seq_length: number;
  readonly completion_only_loss?: boolean;
  readonly assistant_only_loss?: boolean;
  readonly packing?: boolean;
  readonly packing_strategy?: PackingStrategy;
}

interface ExpectedStep {
  readonly num_tokens: number;
  readonly mean_token_accuracy: number;
}

const runs = readdirSync(new URL("../golden/trl/", import.meta.url)).filter((name) =>
  name.startsWith("sft-"),
);

describe.each(runs)("%s reads what trl 1.13 read", (run) => {
  const expected = (JSON.parse(goldenText(`${run}/expected.json`)) as { steps: ExpectedStep[] }).steps;

  it("num_tokens of every step", async () => {
    const steps = await readRun(run, expected.length);
    let tokens = 0;
    const counted = steps.map((batches) => {
      for (const rows of batches) for (const row of rows) tokens += row.ids.length;
      return tokens;
    });
    expect(counted).toEqual(expected.map((step) => step.num_tokens));
  });

  // The logged accuracy is the mean of one fraction a micro-batch, and the learned targets are the denominators.
  it("learned targets of every micro-batch", async () => {
    const steps = await readRun(run, expected.length);
    steps.forEach((batches, i) => {
      const targets = batches.map((rows) => rows.reduce((sum, row) => sum + count(row.learned), 0));
      const total = (expected[i]?.mean_token_accuracy ?? 0) * batches.length;
      expect(isSumOfFractions(total, targets), `step ${i + 1}: ${total} over ${targets.join(", ")}`).toBe(
        true,
      );
    });
  });
});

async function readRun(
  run: string,
  steps: number,
): Promise<readonly (readonly (readonly TrainingRow[])[])[]> {
  const config = parse(goldenText(`${run}/config.yaml`)) as RunConfig;
  const folder = goldenFolder("model");
  const tokenizer = await loadTokenizer(folder);
  const template = await loadChatTemplate(folder, tokenizer);
  const file = await readRows(assetOf("data.jsonl", goldenText(`${run}/data.jsonl`)));
  const { examples } = readExamples(file, { purpose: "sft", hasTemplate: template !== undefined });
  const packing = config.packing ?? false;
  const built = buildSftExamples(
    examples,
    { tokenizer, template },
    {
      maxSeqLength: config.max_seq_length,
      ...(config.completion_only_loss === undefined
        ? {}
        : { completionOnlyLoss: config.completion_only_loss }),
      assistantOnlyLoss: config.assistant_only_loss ?? false,
      packing,
    },
  );
  const rows = packing
    ? packedRows(built.examples, config.max_seq_length, config.packing_strategy ?? "bfd").rows
    : unpackedRows(built.examples);
  const { batch_size: batchSize, gradient_accumulation_steps: gradientAccumulationSteps, seed } = config;
  const order = {
    strategy: "sequential",
    seed,
    batchSize,
    lengthOf: (row: TrainingRow) => row.ids.length,
  } as const;
  const taken = await takeSteps(rowsInMemory(rows, order), { batchSize, gradientAccumulationSteps }, steps);
  return taken.map(({ batches }) => batches);
}

function count(learned: Uint8Array): number {
  return learned.reduce((sum, bit) => sum + bit, 0);
}

/** Whether total = a1/n1 + a2/n2 for some whole a1 <= n1 and a2 <= n2; float32 leaves 1e-6 of room. */
function isSumOfFractions(total: number, [n1 = 1, n2]: readonly number[]): boolean {
  for (let a = 0; a <= n1; a++) {
    const rest = total - a / n1;
    if (n2 === undefined ? Math.abs(rest) < 1e-6 : rest > -1e-6 && isWhole(rest * n2, n2)) return true;
  }
  return false;
}

function isWhole(x: number, most: number): boolean {
  return Math.abs(x - Math.round(x)) < 1e-6 * most && Math.round(x) <= most;
}
