import { adviseMemory, type MemoryAdvice } from "../api/memory_advice.ts";
import type { SettingsChange } from "../api/memory_changes.ts";
import { choiceNote } from "../api/memory_choice.ts";
import { isOutOfMemory, type PlannedRun, planRun, type RunMemory } from "../api/plan_run.ts";
import type { RunConfig } from "../config/fields.ts";
import type { Capabilities } from "../gpu/capabilities.ts";
import { openGpu } from "../gpu/device.ts";
import type { Host } from "../host/host.ts";
import { AppError } from "../lib/errors.ts";
import { formatBytes } from "../lib/format_bytes.ts";
import { type ConfigSources, loadConfig } from "./load_config.ts";
import type { Output } from "./output.ts";

/** The plan of a run as lines for people, part by part. */
export function memoryLines({ parts, total }: Pick<RunMemory, "parts" | "total">): string {
  const lines = parts.map(({ name, bytes }) => `  ${name}: ${formatBytes(bytes)}`);
  return [`GPU memory: ${formatBytes(total)}`, ...lines].join("\n");
}

export const memoryValues = ({ parts, total }: Pick<RunMemory, "parts" | "total">) => ({
  total,
  parts: Object.fromEntries(parts.map(({ name, bytes }) => [name, bytes])),
});

/** Prints what a run would take, and what to do where that is too much. False when it cannot be run like this. */
export async function showMemory(host: Host, sources: ConfigSources, output: Output): Promise<boolean> {
  const { config } = await loadConfig(sources);
  const gpu = await openGpu();
  gpu.close();
  const { capabilities } = gpu;
  const plan = await planOrRefusal(host, config, capabilities);
  if (plan instanceof AppError) output.emit({ gpu_memory: null, error: plan.message }, plan.message);
  else {
    const notes = choiceNote(plan.choice, plan.refused);
    const { backend, rematerialize: gradient_checkpointing } = plan.choice;
    const values = { ...memoryValues(plan), backend, gradient_checkpointing, notes };
    output.emit({ gpu_memory: values }, memoryLines(plan));
    for (const note of notes) output.say(`Note: ${note}`);
    if (!plan.tooLarge) return true;
    output.say(`That is more than gpu_memory_gb (${config.gpu_memory_gb} GB) allows.`);
  }
  await printAdvice(host, sources, capabilities, output);
  return false;
}

async function planOrRefusal(
  host: Host,
  config: RunConfig,
  capabilities: Capabilities,
): Promise<PlannedRun | AppError> {
  try {
    return await planRun(host, config, capabilities);
  } catch (error) {
    if (isOutOfMemory(error)) return error;
    throw error;
  }
}

/** After a run was refused for memory: what would make it fit. */
export async function adviseAfter(
  error: unknown,
  host: Host,
  sources: ConfigSources,
  output: Output,
): Promise<void> {
  if (!isOutOfMemory(error)) return;
  const gpu = await openGpu();
  gpu.close();
  try {
    await printAdvice(host, sources, gpu.capabilities, output);
  } catch (cause) {
    // What the run was refused for is what has to be said.
    if (!(cause instanceof AppError)) throw cause;
    output.say(`What would help could not be worked out: ${cause.message}`);
  }
}

async function printAdvice(
  host: Host,
  sources: ConfigSources,
  capabilities: Capabilities,
  output: Output,
): Promise<void> {
  const configWith = async (change: SettingsChange): Promise<RunConfig | undefined> => {
    const set = Object.entries(change).map(([key, value]) => `${key}=${value}`);
    try {
      return (await loadConfig({ ...sources, set: [...(sources.set ?? []), ...set] })).config;
    } catch (error) {
      if (error instanceof AppError && error.code === "config-invalid") return undefined;
      throw error;
    }
  };
  const advice = await adviseMemory({ host, capabilities, configWith });
  output.emit({ advice }, ["What would help, the least harm first:", ...advice.map(lineOf)].join("\n"));
}

function lineOf({ change, label, harm, bytes, fits }: MemoryAdvice): string {
  const set = Object.entries(change).map(([key, value]) => ` --set ${key}=${value}`);
  const size =
    bytes === null
      ? ""
      : `: ${formatBytes(bytes)}${fits === null ? "" : fits ? ", fits" : ", not yet enough"}`;
  return `  ${label}${size}. ${harm}${set.join("")}`;
}
