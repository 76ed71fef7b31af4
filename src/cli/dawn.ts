import { create, globals } from "webgpu";

/** Gives Node the browser's WebGPU, through Dawn, on whatever Vulkan, Metal or D3D12 driver the machine has. */
export function installDawn(): void {
  Object.assign(globalThis, globals);
  // Kept referenced: once collected, its adapters crash the process.
  const gpu = create([]);
  Object.defineProperty(globalThis, "navigator", { value: { gpu, userAgent: "node" }, configurable: true });
}
