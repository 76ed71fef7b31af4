import { type Capabilities, Gpu } from "./device.ts";

/**
 * A Gpu whose device allocates nothing and forgets what it is given: it only counts. The memory of a run is planned by
 * running the very code that would allocate it. Programs can be recorded with it, but not planned or executed. `onBuffer`
 * hears of each buffer.
 */
export function dryGpu(capabilities: Capabilities, onBuffer: (bytes: number) => void = () => {}): Gpu {
  const device = {
    addEventListener: () => {},
    lost: new Promise<never>(() => {}),
    createBuffer: ({ size }: GPUBufferDescriptor) => {
      onBuffer(size);
      return { size, destroy: () => {} };
    },
    queue: { writeBuffer: () => {} },
    pushErrorScope: () => {},
    popErrorScope: async () => null,
    destroy: () => {},
  };
  return new Gpu(device as unknown as GPUDevice, capabilities, true);
}
