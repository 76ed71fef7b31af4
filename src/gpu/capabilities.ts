/** What this adapter can do, as plain data: shown in diagnostics, stored in runs, used to choose kernel variants. */
export interface Capabilities {
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string;
  /** "cpu" for llvmpipe, SwiftShader and WARP: their kernels use no workgroup memory. */
  readonly kind: "gpu" | "cpu";
  readonly limits: Readonly<Record<WantedLimit, number>>;
  readonly features: readonly string[];
}

/** What we would use if the adapter has it; the defaults of WebGPU are enough for everything. */
export const WANTED = {
  maxStorageBufferBindingSize: 2 ** 31,
  maxBufferSize: 2 ** 31,
  maxStorageBuffersPerShaderStage: 8,
  maxComputeWorkgroupStorageSize: 32768,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupsPerDimension: 65535,
} as const;
export type WantedLimit = keyof typeof WANTED;

/** WebGPU's guaranteed limits, to force them in tests. */
export const DEFAULT_LIMITS: Readonly<Record<WantedLimit, number>> = {
  maxStorageBufferBindingSize: 128 * 2 ** 20,
  maxBufferSize: 256 * 2 ** 20,
  maxStorageBuffersPerShaderStage: 8,
  maxComputeWorkgroupStorageSize: 16384,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupsPerDimension: 65535,
};

/**
 * Bytes of the largest tensor: what a buffer and a binding may have, in whole steps of the binding alignment. Some drivers'
 * limits are no whole steps, such as 2^31 - 4.
 */
export function largestTensor({ limits }: Pick<Capabilities, "limits">): number {
  return 256 * Math.floor(Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize) / 256);
}

/** What there is to say of an adapter, with what was asked of it. */
export function capabilitiesOf(
  info: GPUAdapterInfo,
  limits: Record<WantedLimit, number>,
  features: readonly string[],
): Capabilities {
  const text = `${info.vendor} ${info.architecture} ${info.device} ${info.description}`;
  const isCpu = info.isFallbackAdapter || /llvmpipe|swiftshader|lavapipe|warp|basic render/i.test(text);
  const { vendor, architecture, description } = info;
  return { vendor, architecture, description, kind: isCpu ? "cpu" : "gpu", limits, features };
}
