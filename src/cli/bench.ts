import { availableParallelism, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { type Gpu, openGpu } from "../gpu/device.ts";
import { measureDecoding } from "./bench/decoding.ts";
import { measureDevice } from "./bench/device_rates.ts";
import { measureGemm } from "./bench/gemm.ts";
import { formatSection, type Section } from "./bench/section.ts";
import { measureTraining } from "./bench/training_step.ts";
import { installDawn } from "./dawn.ts";

const USAGE = `npm run bench -- [--only device|gemm|step|decode] [--json]

Measures the adapter that is there: its f32 and copy rates, matrix products beside jax-js, a training step
and generation with a model of a million parameters. --json prints one JSON object a table.`;

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

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { only: { type: "string" }, json: { type: "boolean" } } });
  const parts = PARTS.filter((part) => values.only === undefined || part === values.only);
  if (parts.length === 0) {
    console.error(USAGE);
    return 2;
  }
  installDawn();
  const gpu = await openGpu();
  const { kind, vendor, architecture, description } = gpu.capabilities;
  const cores = availableParallelism();
  const machine = { kind, vendor, architecture, description, cores, load: loadavg()[0] ?? 0 };
  if (values.json) console.log(JSON.stringify({ part: "machine", ...machine }));
  else {
    const name = [vendor, architecture, description].filter((text) => text !== "").join(", ");
    console.log(`${name} (${kind}), ${cores} cores, load ${machine.load.toFixed(1)}\n`);
  }
  for await (const { part, section } of measureParts(gpu, parts, cores)) {
    console.log(values.json ? JSON.stringify({ part, ...section.data }) : formatSection(section));
  }
  return 0;
}

process.exit(await main());
