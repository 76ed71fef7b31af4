import { create, globals } from "webgpu";

/** Gives Node the browser's WebGPU: Dawn, on whatever Vulkan driver the machine has (llvmpipe in CI). */
Object.assign(globalThis, globals);
// The instance is kept referenced: once collected, its adapters crash the process.
const gpu = create([]);
Object.defineProperty(globalThis, "navigator", { value: { gpu, userAgent: "node" }, configurable: true });
