import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openTrainer } from "../api/open_trainer.ts";
import { type Gpu, openGpu } from "../gpu/device.ts";
import { createNodeHost } from "../host/node.ts";
import { nodeFolder } from "../host/node_files.ts";
import { readAdapterFile } from "../model/adapter_file.ts";
import { installDawn } from "./dawn.ts";
import { loadConfig } from "./load_config.ts";

const USAGE = `npm run parity:trl -- DIR [--only TEXT]

Trains every recorded run of the real trl under DIR through the same code path as "aligntune train", and compares each
step's log line and the final adapter with what trl wrote. --only takes the runs whose name holds TEXT.`;

interface Worst {
  readonly ratio: number;
  readonly error: number;
  readonly what: string;
}

interface RunKind {
  readonly dft: boolean;
  readonly rewards: boolean;
}

/** The error of one logged value as a multiple of what is allowed: rules by name, from the collection's README. */
function valueRatio(name: string, actual: number | undefined, expected: number, kind: RunKind): Worst {
  if (actual === undefined || !Number.isFinite(actual))
    return { ratio: Infinity, error: Infinity, what: name };
  const difference = Math.abs(actual - expected);
  const relative = (tolerance: number) => difference / Math.max(1e-30, Math.abs(expected)) / tolerance;
  const rules: readonly [applies: boolean, ratio: number][] = [
    [name === "num_tokens", difference === 0 ? 0 : Infinity],
    [name === "learning_rate", difference / 1e-9],
    [name === "mean_token_accuracy", difference / 1e-3],
    [name === "grad_norm" && Math.abs(expected) < 1e-3, difference / 1e-6],
    [name === "grad_norm", relative(kind.rewards ? 2e-3 : 1e-3)],
    [/^(clip_ratio\/|frac_reward_zero_std$)/.test(name), difference / 1e-3],
    [name === "loss" && kind.dft, relative(1e-3)],
  ];
  const otherwise = difference / Math.max(1, Math.abs(expected)) / 1e-4;
  const ratio = rules.find(([applies]) => applies)?.[1] ?? otherwise;
  return { ratio, error: difference, what: name };
}

function worseOf(a: Worst, b: Worst): Worst {
  return b.ratio > a.ratio || Number.isNaN(b.ratio) ? b : a;
}

async function runOne(gpu: Gpu, folder: string): Promise<Worst> {
  const loaded = await loadConfig({ file: join(folder, "config.yaml") });
  const { config } = loaded;
  const output = await mkdtemp(join(tmpdir(), "parity-trl-"));
  const log: (Record<string, number> & { step: number })[] = [];
  const trainer = await openTrainer({
    ...{ config, configText: loaded.text, gpu, run: "parity", place: "Node" },
    host: createNodeHost({ publicDir: output, runDir: () => output }),
    events: {
      metrics: (step, values) => log.push({ ...values, step }),
      step: () => {},
      checkpoint: () => {},
      sample: async () => {},
      note: () => {},
    },
  });
  const before = (await readAdapterFile(nodeFolder(join(folder, "adapter")))).values;
  const outcome = await trainer.train({ request: "go" });
  if (outcome.state !== "done") throw new Error(`the run ended ${outcome.state} at step ${outcome.step}`);
  const final = await trainer.engine.pool.read(gpu, "params");
  await rm(output, { recursive: true });

  const { steps } = JSON.parse(await readFile(join(folder, "expected.json"), "utf8")) as {
    steps: Record<string, number>[];
  };
  const kind = {
    dft: config.algorithm === "sft" && config.loss_type === "dft",
    rewards: config.algorithm !== "sft" && config.algorithm !== "dpo",
  };
  let worst: Worst = { ratio: 0, error: 0, what: "" };
  if (log.length !== steps.length)
    worst = { ratio: Infinity, error: Infinity, what: `${log.length} of ${steps.length} steps` };
  steps.forEach((step, i) => {
    for (const [name, expected] of Object.entries(step)) {
      const value = valueRatio(name, log[i]?.[name], expected, kind);
      worst = worseOf(worst, { ...value, what: `${name} of step ${i + 1}` });
    }
  });
  const expected = (await readAdapterFile(nodeFolder(join(folder, "expected_adapter")))).values;
  let difference = 0;
  let change = 0;
  for (const [name, { data }] of expected) {
    const start = before.get(name)?.data;
    const end = final.get(name)?.data;
    for (let i = 0; i < data.length; i++) {
      difference += ((end?.[i] ?? Number.NaN) - (data[i] ?? Number.NaN)) ** 2;
      change += ((data[i] ?? Number.NaN) - (start?.[i] ?? Number.NaN)) ** 2;
    }
  }
  const error = Math.sqrt(difference / change);
  return worseOf(worst, { ratio: error / 1e-3, error, what: "final adapter" });
}

async function isRun(folder: string): Promise<boolean> {
  try {
    return (await stat(join(folder, "expected.json"))).isFile();
  } catch {
    return false;
  }
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { only: { type: "string" } },
  });
  const [root] = positionals;
  if (!root || positionals.length !== 1) {
    console.error(USAGE);
    return 2;
  }
  installDawn();
  let gpu = await openGpu();
  let passed = 0;
  let failed = 0;
  for (const name of (await readdir(root)).filter((entry) => entry.includes(values.only ?? "")).sort()) {
    if (!(await isRun(join(root, name)))) continue;
    try {
      const { ratio, error, what } = await runOne(gpu, join(root, name));
      const ok = ratio <= 1;
      if (ok) passed += 1;
      else failed += 1;
      console.log(
        `${name.padEnd(30)} ${error.toExponential(1).padStart(8)}  ${ok ? "pass" : "FAIL"}  ${what}`,
      );
    } catch (cause) {
      failed += 1;
      gpu.close();
      gpu = await openGpu();
      console.log(`${name.padEnd(30)} FAIL  ${cause instanceof Error ? cause.message : String(cause)}`);
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

process.exit(await main());
