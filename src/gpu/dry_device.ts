import type { Capabilities } from "./capabilities.ts";
import { Gpu } from "./device.ts";

export interface DryBuffer {
  readonly size: number;
  destroy(): void;
}

/**
 * A Gpu whose device allocates nothing and forgets what it is given: it only counts. The memory of a run is planned by
 * running the very code that would allocate it. Programs can be recorded with it, but not planned or executed. `live` gets each
 * buffer until it is freed.
 */
export function dryGpu(capabilities: Capabilities, live: Set<DryBuffer> = new Set()): Gpu {
  const device = {
    addEventListener: () => {},
    lost: new Promise<never>(() => {}),
    createBuffer: ({ size }: GPUBufferDescriptor) => {
      const buffer: DryBuffer = { size, destroy: () => void live.delete(buffer) };
      live.add(buffer);
      return buffer;
    },
    queue: { writeBuffer: () => {} },
    pushErrorScope: () => {},
    popErrorScope: async () => null,
    destroy: () => {},
  };
  return new Gpu(device as unknown as GPUDevice, capabilities, true);
}
