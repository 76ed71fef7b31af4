import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Gpu, openGpu } from "../gpu/device.ts";
import { nodeFolder } from "../host/node_files.ts";
import { installDawn } from "./dawn.ts";
import { Comparison, TOLERANCE, TRAIN_TOLERANCE, type Verdict } from "./parity/compare.ts";
import { runDpo } from "./parity/dpo.ts";
import { checkForward, forwardLogits } from "./parity/forward.ts";
import { checkGenerate, runGenerate } from "./parity/generate.ts";
import { type Collection, type GoldenCase, readCase } from "./parity/golden_case.ts";
import { runGrpo } from "./parity/grpo.ts";
import { checkNf4 } from "./parity/nf4.ts";
import { runPpo } from "./parity/ppo.ts";
import { compareResults, compareWithCase } from "./parity/result.ts";
import { checkSft, runSft } from "./parity/sft.ts";
import { openSubject, ROUND_TRIP, type Subject, TRL, UNSLOTH } from "./parity/subject.ts";
import { checkTrain, compareSteps, runTrain } from "./parity/train.ts";

const USAGE = `npm run parity -- DIR [--only TEXT] [--backend trl|unsloth]

Runs every golden case under DIR/cases through the engine and compares with the numbers there.
--only takes the cases whose name holds TEXT. --backend unsloth checks four-bit weights and
rematerialisation against the trl backend on weights that made the round trip through four bits.`;

type Check = (subject: Subject, golden: GoldenCase, comparison: Comparison) => Promise<void>;

/** Kinds whose results are scalars and tensors by name: the same comparison serves them all. */
const RUNS = { dpo: runDpo, grpo: runGrpo, ppo: runPpo } as const;

function checksOf(mode: "trl" | "unsloth"): Record<string, Check> {
  return Object.fromEntries(
    Object.entries(RUNS).map(([kind, run]): [string, Check] => [
      kind,
      async (subject, golden, comparison) => {
        if (mode === "trl") return compareWithCase(comparison, await run(subject, golden, TRL), golden);
        const expected = await run(subject, golden, ROUND_TRIP);
        compareResults(comparison, await run(subject, golden, UNSLOTH), expected);
      },
    ]),
  );
}

/** What each kind of case does on the trl backend. */
const TRL_CHECKS: Readonly<Record<string, Check>> = {
  forward: (subject, golden, comparison) => checkForward(subject, golden, TRL, comparison),
  generate: (subject, golden, comparison) => checkGenerate(subject, golden, TRL, comparison),
  sft: (subject, golden, comparison) => checkSft(subject, golden, TRL, comparison),
  train: (subject, golden, comparison) => checkTrain(subject, golden, TRL, comparison),
  ...checksOf("trl"),
};

/** The same with four bits: expected numbers come from our own trl backend on the round-tripped weights. */
const UNSLOTH_CHECKS: Readonly<Record<string, Check>> = {
  forward: async (subject, golden, comparison) => {
    const expected = await forwardLogits(subject, golden, ROUND_TRIP);
    const actual = await forwardLogits(subject, golden, UNSLOTH);
    compareMaps(comparison, actual, expected);
  },
  generate: async (subject, golden, comparison) => {
    const expected = await runGenerate(subject, golden, ROUND_TRIP);
    comparison.equal("new_ids", await runGenerate(subject, golden, UNSLOTH), expected);
  },
  sft: async (subject, golden, comparison) => {
    const expected = await runSft(subject, golden, ROUND_TRIP);
    const actual = await runSft(subject, golden, UNSLOTH);
    comparison.scalar("loss", actual.loss, expected.loss);
    comparison.scalar("grad_norm", actual.gradNorm, expected.gradNorm);
    compareMaps(comparison, actual.tensors, expected.tensors);
  },
  train: async (subject, golden, comparison) => {
    const expected = await runTrain(subject, golden, ROUND_TRIP);
    const actual = await runTrain(subject, golden, UNSLOTH);
    const { losses, gradNorms: grad_norms, learningRates: learning_rates } = expected;
    compareSteps(comparison, actual, { losses, grad_norms, learning_rates });
    compareMaps(comparison, actual.tensors, expected.tensors);
  },
  ...checksOf("unsloth"),
};

function compareMaps(
  comparison: Comparison,
  actual: ReadonlyMap<string, Float32Array>,
  expected: ReadonlyMap<string, Float32Array>,
): void {
  for (const [name, values] of expected) comparison.tensor(name, actual.get(name), values);
}

async function runCase(
  gpu: Gpu,
  collection: Collection,
  name: string,
  backend: string,
): Promise<{ golden: GoldenCase; verdict: Verdict }> {
  const golden = await readCase(collection, name);
  const comparison = new Comparison(golden.kind === "train" ? TRAIN_TOLERANCE : TOLERANCE);
  if (golden.kind === "nf4") {
    await checkNf4(golden, comparison);
    return { golden, verdict: comparison.verdict };
  }
  const check = (backend === "unsloth" ? UNSLOTH_CHECKS : TRL_CHECKS)[golden.kind];
  if (!check) throw new Error(`cases of kind ${golden.kind} are not known`);
  await check(await openSubject(gpu, collection, golden), golden, comparison);
  return { golden, verdict: comparison.verdict };
}

/** Cases that the four-bit backend leaves out: full fine-tuning, and the quantiser itself. */
function isLeftOut(golden: GoldenCase, backend: string): boolean {
  return backend === "unsloth" && (golden.kind === "nf4" || golden.params["peft_enabled"] === false);
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { only: { type: "string" }, backend: { type: "string", default: "trl" } },
  });
  const [root] = positionals;
  const { only = "", backend } = values;
  if (!root || positionals.length !== 1 || !["trl", "unsloth"].includes(backend)) {
    console.error(USAGE);
    return 2;
  }
  installDawn();
  const collection = (path: string) => nodeFolder(join(root, path));
  const names = (await readdir(join(root, "cases"))).filter((name) => name.includes(only)).sort();
  // One device, so that each kernel is compiled once; a new one after a failure, which may have broken it.
  let gpu = await openGpu();
  let passed = 0;
  let failed = 0;
  for (const name of names) {
    try {
      if (isLeftOut(await readCase(collection, name), backend)) continue;
      const { golden, verdict } = await runCase(gpu, collection, name, backend);
      const ok = verdict.ratio <= 1;
      if (ok) passed += 1;
      else failed += 1;
      console.log(row(golden, verdict, ok));
    } catch (error) {
      failed += 1;
      gpu.close();
      gpu = await openGpu();
      console.log(`${name.padEnd(34)} FAIL  ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

function row(golden: GoldenCase, { error, what }: Verdict, ok: boolean): string {
  const model = golden.model?.split("/").at(-1) ?? "-";
  const columns = [
    golden.name.padEnd(34),
    golden.kind.padEnd(8),
    model.padEnd(14),
    error.toExponential(1).padStart(8),
  ];
  return `${columns.join(" ")}  ${ok ? "pass" : "FAIL"}  ${what}`;
}

process.exit(await main());
