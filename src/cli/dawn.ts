import { create, globals } from "webgpu";
import { DEFAULT_LIMITS } from "../gpu/capabilities.ts";

export interface DawnOptions {
  /** Adapters allow no more than WebGPU guarantees, to see how a run fares where that is all there is. */
  readonly defaultLimits?: boolean;
}

/** Gives Node the browser's WebGPU, through Dawn, on whatever Vulkan, Metal or D3D12 driver the machine has. */
export function installDawn({ defaultLimits = false }: DawnOptions = {}): void {
  Object.assign(globalThis, globals);
  // Kept referenced: once collected, its adapters crash the process.
  const dawn = create([]);
  const gpu = defaultLimits ? withDefaultLimits(dawn) : dawn;
  Object.defineProperty(globalThis, "navigator", { value: { gpu, userAgent: "node" }, configurable: true });
}

/** Only what openGpu asks of it. */
function withDefaultLimits(gpu: GPU): Pick<GPU, "requestAdapter"> {
  return {
    requestAdapter: async (options) => {
      const adapter = await gpu.requestAdapter(options);
      if (!adapter) return null;
      const { info, features } = adapter;
      const limits = { ...DEFAULT_LIMITS };
      const requestDevice: GPUAdapter["requestDevice"] = (descriptor) => adapter.requestDevice(descriptor);
      return { info, features, limits, requestDevice } as unknown as GPUAdapter;
    },
  };
}
