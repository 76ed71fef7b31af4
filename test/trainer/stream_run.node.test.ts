import { expect, it } from "vitest";
import type { TrainingRow } from "../../src/data/packed_rows.ts";
import { openBlocks } from "../../src/data/row_blocks.ts";
import { RowStream } from "../../src/data/row_stream.ts";
import { memoryAsset } from "../../src/host/memory.ts";
import { memoryCheckpoints } from "../../src/storage/memory_checkpoints.ts";
import { testDevice } from "../gpu.ts";
import { tinyModel, tinyRows } from "../tiny_model.ts";
import { GO, type LogLine, tinyRun } from "./tiny_run.ts";

const gpu = await testDevice();
const tiny = await tinyModel("qwen3");
const bounds = tinyRows(tiny.spec, [9, 9]);
const SETTINGS = {
  ...{ max_steps: 7, batch_size: 2, gradient_accumulation_steps: 2, learning_rate: 0.02 },
  ...{ lora_dropout: 0.25, logging_steps: 3, save_strategy: "steps", save_steps: 2 },
};

/** Fourteen rows of a file, of which some cannot be used: an epoch is three steps and a half. */
async function streamed(bad: readonly number[], skipBadRows = true) {
  const lines = Array.from({ length: 14 }, (_, i) =>
    bad.includes(i) ? "nonsense" : `{"length":${2 + (i % 8)}}`,
  );
  const blocks = await openBlocks(memoryAsset("d.jsonl", new TextEncoder().encode(lines.join("\n"))));
  return new RowStream<TrainingRow>({
    ...{ blocks, bounds, skipBadRows, known: [], strategy: "random", seed: 7, onClose: () => {} },
    isTraining: () => true,
    read: (block) => blocks.read(block),
    encode({ rows, problems }, place, rowIndex) {
      const length = rows[place]?.["length"];
      if (length === undefined) return { problem: problems.get(place)?.message ?? "" };
      const [row] = tinyRows(tiny.spec, [Number(length)]);
      return row ? { row: { ...row, rowIndices: [rowIndex] }, cut: false } : { dropped: "" };
    },
  });
}

it("a run over a stream that is resumed ends with the bits of the one that never stopped", async () => {
  const open = async (checkpoints = memoryCheckpoints()) =>
    tinyRun(gpu, { tiny, rows: [], train: await streamed([3, 8]), settings: SETTINGS, checkpoints });
  const whole = await open();
  expect(await whole.run.train(GO)).toMatchObject({ state: "done", step: 7 });
  expect(
    whole.notes.filter((note) => /^Line \d+ is no valid JSON.*left out\.$/.test(note)).length,
  ).toBeGreaterThan(2);

  const checkpoints = memoryCheckpoints();
  const log: LogLine[] = [];
  for (const [before, stop] of [
    [0, 1],
    [1, 4],
    [4, 7],
  ] as const) {
    const part = await open(checkpoints);
    if (before > 0) await part.run.restore(before);
    await part.run.train(GO, stop - before);
    log.push(...part.log);
    if (stop < 7) continue;
    expect(await part.state()).toEqual(await whole.state());
    expect(part.run.epoch).toBe(whole.run.epoch);
    expect(part.run.numTokens).toBe(whole.run.numTokens);
  }
  expect(log).toEqual(whole.log);
});

it("a row that cannot be used pauses a run before it, with everything learned so far kept", async () => {
  const train = await streamed([3], false);
  const paused = await tinyRun(gpu, { tiny, rows: [], train, settings: SETTINGS });
  const outcome = await paused.run.train(GO);
  expect(outcome).toMatchObject({
    state: "paused",
    reason: expect.stringMatching(/^d\.jsonl: Line 4 is no/),
  });
  expect(outcome.step).toBeGreaterThan(0);
  expect(paused.saved.at(-1)).toBe(outcome.step);

  // With the row passed over, the run goes on from there as if it had been from the beginning.
  const parts = { tiny, rows: [], settings: SETTINGS };
  const whole = await tinyRun(gpu, { ...parts, train: await streamed([3]) });
  await whole.run.train(GO);
  const rest = await tinyRun(gpu, { ...parts, train: await streamed([3]), checkpoints: paused.checkpoints });
  await rest.run.restore(outcome.step);
  await rest.run.train(GO);
  expect(await rest.state()).toEqual(await whole.state());
});
