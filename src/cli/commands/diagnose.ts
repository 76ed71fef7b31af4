import { openGpu } from "../../gpu/device.ts";
import type { Output } from "../output.ts";

/** `aligntune diagnose`: what the adapter is and allows. */
export async function diagnose(output: Output): Promise<number> {
  const gpu = await openGpu();
  try {
    const { capabilities } = gpu;
    output.emit({ ...capabilities, node: process.version, platform: process.platform });
    output.say(`GPU: ${capabilities.description || capabilities.vendor} (${capabilities.kind})`);
    output.say(`Features: ${capabilities.features.join(", ") || "none that we use"}`);
    for (const [name, value] of Object.entries(capabilities.limits))
      output.say(`${name}: ${value.toLocaleString("en")}`);
    output.say(`Node ${process.version} on ${process.platform}`);
    if (capabilities.kind === "cpu")
      output.say("This adapter computes on the CPU: fine for the demo, slow for real models.");
    return 0;
  } finally {
    gpu.close();
  }
}
