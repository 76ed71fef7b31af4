import { describe, expect, it } from "vitest";
import { Comparison, TOLERANCE, TRAIN_TOLERANCE } from "../../src/cli/parity/compare.ts";
import { checkForward } from "../../src/cli/parity/forward.ts";
import { readCase } from "../../src/cli/parity/golden_case.ts";
import { checkSft, runSft } from "../../src/cli/parity/sft.ts";
import { openSubject, ROUND_TRIP, TRL, UNSLOTH } from "../../src/cli/parity/subject.ts";
import { checkTrain } from "../../src/cli/parity/train.ts";
import { memoryFolder } from "../../src/host/memory.ts";
import { testDevice } from "../gpu.ts";

const gpu = await testDevice();

/** Files as data URLs, which both Node and a browser can fetch. */
const FILES = import.meta.glob<string>(
  [
    "../golden/{models,adapters}/{qwen3,qwen2,gemma2,gemma3,gpt2,llama,mistral,phi3,peft-qwen3,peft-gpt2}/*.{json,safetensors}",
    "../golden/cases/{forward,sft,train}-*/*.{json,safetensors}",
  ],
  { query: "?url&inline", import: "default" },
);

async function folderOf(path: string) {
  const prefix = `../golden/${path}/`;
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const [name, load] of Object.entries(FILES)) {
    if (!name.startsWith(prefix)) continue;
    const response = await fetch(await load());
    files.set(name.slice(prefix.length), new Uint8Array(await response.arrayBuffer()));
  }
  return memoryFolder(path, files);
}

const CHECKS = { forward: checkForward, sft: checkSft, train: checkTrain };

const cases = Object.entries(CHECKS).flatMap(([kind, check]) => {
  const names = Object.keys(FILES).flatMap((path) => {
    const name = path.split("/")[3] ?? "";
    return path.endsWith("/case.json") && name.startsWith(`${kind}-`) ? [{ name, check }] : [];
  });
  // A glob that finds nothing would pass in silence.
  if (names.length === 0) throw new Error(`test/golden has no case of kind ${kind}`);
  return names;
});

describe("numbers made by an independent reference in float64, and by transformers and peft", () => {
  // Tolerances are the collection's own: f32 against float64, looser for six steps of training.
  it.each(cases)("$name", async ({ name, check }) => {
    const golden = await readCase(folderOf, name);
    const comparison = new Comparison(golden.kind === "train" ? TRAIN_TOLERANCE : TOLERANCE);
    await check(await openSubject(gpu, folderOf, golden), golden, TRL, comparison);
    const { ratio, what, error } = comparison.verdict;
    expect(ratio, `${what} is off by ${error}`).toBeLessThanOrEqual(1);
  });
});

describe("four bits and rematerialisation", () => {
  // Both sides dequantise to the same f32 numbers and add them in the same order; only the loader differs.
  it.each(["sft-lora-qwen3", "sft-lora-gpt2", "sft-lora-gemma3"])(
    "equal f32 arithmetic on weights that made the round trip: %s",
    async (name) => {
      const golden = await readCase(folderOf, name);
      const subject = await openSubject(gpu, folderOf, golden);
      const expected = await runSft(subject, golden, ROUND_TRIP);
      const actual = await runSft(subject, golden, UNSLOTH);
      const comparison = new Comparison({ tensor: 1e-6, scalar: 1e-6 });
      comparison.scalar("loss", actual.loss, expected.loss);
      comparison.scalar("grad_norm", actual.gradNorm, expected.gradNorm);
      for (const [key, values] of expected.tensors) comparison.tensor(key, actual.tensors.get(key), values);
      const { ratio, what, error } = comparison.verdict;
      expect(ratio, `${what} is off by ${error}`).toBeLessThanOrEqual(1);
      const stored = await runSft(subject, golden, TRL);
      expect(stored.loss, "four bits change the weights").not.toBe(actual.loss);
    },
  );
});
