import type { Gpu } from "../gpu/device.ts";
import type { Tensor } from "../gpu/tensor.ts";

/** Bytes that may be on their way to the GPU: the driver holds what is written until it is carried out. */
const IN_FLIGHT = 64 * 2 ** 20;

/** Gpu.upload that waits for the GPU now and then, so that a large model does not lie in the driver's memory as well. */
export function pacedUpload(
  gpu: Gpu,
): (tensor: Tensor, data: Float32Array | Uint8Array, byteOffset?: number) => Promise<void> {
  let written = 0;
  return async (tensor, data, byteOffset = 0) => {
    gpu.upload(tensor, data, byteOffset);
    written += data.byteLength;
    if (written < IN_FLIGHT) return;
    written = 0;
    await gpu.idle();
  };
}
