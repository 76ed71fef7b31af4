import { availableParallelism, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { type Gpu, openGpu } from "../gpu/device.ts";
import { measureDecoding } from "./bench/decoding.ts";
import { measureDevice } from "./bench/device_rates.ts";
import { measureGemm } from "./bench/gemm.ts";
import { measureModel } from "./bench/model_run.ts";
import { formatSection, type Section } from "./bench/section.ts";
import { measureTraining } from "./bench/training_step.ts";
import { installDawn } from "./dawn.ts";
import { SHAPES } from "./random_model/shapes.ts";

const USAGE = `npm run bench -- [--only device|gemm|step|decode] [--json]
npm run bench -- --model SHAPE [--tokens N] [--rows N] [--steps N] [--default-limits] [--json]

Measures the adapter that is there: its f32 and copy rates, matrix products beside jax-js, a training step
and generation with a model of a million parameters. --json prints one JSON object a table.

--model measures SFT and GRPO, LoRA r 16, on both backends with a model of a published shape and random weights: time of a
step, and memory against the plan. 2 rows of 512 tokens and 5 steps by default; on a CPU adapter 64 tokens and 2 steps.
Shapes: ${Object.keys(SHAPES).join(", ")}`;

const PARTS = ["device", "gemm", "step", "decode"] as const;
type Part = (typeof PARTS)[number];

/** The tables of the wanted parts, in order. Matrix products are compared with the rates of the same run. */
async function* measureParts(
  gpu: Gpu,
  parts: readonly Part[],
  cores: number,
): AsyncGenerator<{ part: Part; section: Section }> {
  const device =
    parts.includes("device") || parts.includes("gemm") ? await measureDevice(gpu, cores) : undefined;
  for (const part of parts) {
    if (part === "device" && device) yield { part, section: device.section };
    if (part === "gemm" && device) yield { part, section: await measureGemm(gpu, device.rates, cores) };
    if (part === "step") yield { part, section: await measureTraining(gpu) };
    if (part === "decode") yield { part, section: await measureDecoding(gpu) };
  }
}

interface Words {
  readonly parts: readonly Part[];
  readonly model: string | undefined;
  readonly sizes: Readonly<Record<"tokens" | "rows" | "steps", number | undefined>>;
  readonly json: boolean;
  readonly defaultLimits: boolean;
}

/** Undefined for what the usage does not know. */
function readWords(): Words | undefined {
  const TEXT = { type: "string" } as const;
  const FLAG = { type: "boolean", default: false } as const;
  const { values } = parseArgs({
    options: {
      ...{ only: TEXT, json: FLAG, "default-limits": FLAG },
      ...{ model: TEXT, tokens: TEXT, rows: TEXT, steps: TEXT },
    },
  });
  const { model, json, "default-limits": defaultLimits } = values;
  const parts = PARTS.filter((part) => values.only === undefined || part === values.only);
  const size = (text: string | undefined) => (text === undefined ? undefined : Number(text));
  const sizes = { tokens: size(values.tokens), rows: size(values.rows), steps: size(values.steps) };
  const isFine = Object.values(sizes).every((n) => n === undefined || (Number.isInteger(n) && n >= 1));
  const isKnown = model === undefined || Object.hasOwn(SHAPES, model);
  return parts.length > 0 && isKnown && isFine ? { parts, model, sizes, json, defaultLimits } : undefined;
}

async function main(): Promise<number> {
  const words = readWords();
  if (!words) {
    console.error(USAGE);
    return 2;
  }
  const { model: shape, json } = words;
  installDawn(words);
  const gpu = await openGpu();
  const { kind, vendor, architecture, description } = gpu.capabilities;
  const cores = availableParallelism();
  const machine = { kind, vendor, architecture, description, cores, load: loadavg()[0] ?? 0 };
  if (json) console.log(JSON.stringify({ part: "machine", ...machine }));
  else {
    const name = [vendor, architecture, description].filter((text) => text !== "").join(", ");
    console.log(`${name} (${kind}), ${cores} cores, load ${machine.load.toFixed(1)}\n`);
  }
  const tell = (part: Part | "model", section: Section) =>
    console.log(json ? JSON.stringify({ part, ...section.data }) : formatSection(section));
  if (shape === undefined) {
    for await (const { part, section } of measureParts(gpu, words.parts, cores)) tell(part, section);
    return 0;
  }
  gpu.close();
  const { tokens, rows = 2, steps } = words.sizes;
  const few = kind === "cpu" ? { tokens: 64, steps: 2 } : { tokens: 512, steps: 5 };
  tell("model", await measureModel({ shape, rows, tokens: tokens ?? few.tokens, steps: steps ?? few.steps }));
  return 0;
}

process.exit(await main());
