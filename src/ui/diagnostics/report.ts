import { formatBytes } from "../../lib/format_bytes.ts";
import type { Diagnostics } from "../../protocol/setup.ts";
import type { StorageReport } from "../../protocol/storage.ts";
import type { AppState } from "../../store/app.ts";
import type { Failure } from "../../store/failure.ts";
import { formatCount } from "../format.ts";

/** One line of the table: what, and the answer in words. */
export type Line = readonly [string, string];

/** Limits that decide what fits, by their names in WebGPU. */
const LIMITS: readonly (readonly [string, string, (value: number) => string])[] = [
  ["maxBufferSize", "Largest buffer", formatBytes],
  ["maxStorageBufferBindingSize", "Largest storage binding", formatBytes],
  ["maxComputeWorkgroupStorageSize", "Workgroup memory", formatBytes],
  ["maxComputeInvocationsPerWorkgroup", "Threads of a workgroup", formatCount],
  ["maxStorageBuffersPerShaderStage", "Storage buffers of a stage", formatCount],
];

const FEATURES = ["shader-f16", "subgroups", "timestamp-query"];

export function deviceLines({
  vendor,
  architecture,
  description,
  kind,
  limits,
  features,
}: Diagnostics): readonly Line[] {
  return [
    ["GPU", description || [vendor, architecture].filter(Boolean).join(" ") || "not named by the browser"],
    [
      "Vendor and architecture",
      [vendor, architecture].filter(Boolean).join(", ") || "not named by the browser",
    ],
    ["Kind", kind === "gpu" ? "Graphics processor" : "Emulated on the processor: works, and is slow"],
    ...LIMITS.flatMap(([key, label, format]): Line[] => {
      const value = limits[key];
      return value === undefined ? [] : [[label, format(value)]];
    }),
    ...FEATURES.map((feature): Line => [feature, features.includes(feature) ? "available" : "not available"]),
  ];
}

interface Browser {
  readonly userAgent: string;
  readonly secure: boolean;
  readonly isolated: boolean;
  readonly language: string;
}

export const browserLines = ({ userAgent, secure, isolated, language }: Browser): readonly Line[] => [
  ["Browser", userAgent],
  ["Language", language],
  ["Secure address", secure ? "yes" : "no: WebGPU needs https or localhost"],
  ["Cross-origin isolation", isolated ? "on" : "off (not needed)"],
];

export const storageLines = ({ used, quota, persistent }: StorageReport): readonly Line[] => [
  ["Stored", `${formatBytes(used)} of about ${formatBytes(quota)}`],
  ["Kept for good", persistent ? "yes" : "no: the browser may delete it when the disk is full"],
];

/** Which hub is asked, and whether it is told who asks; never the token itself. */
export const hubLines = (address: string, hasToken: boolean): readonly Line[] => [
  ["Hub address", new URL(address).host],
  ["An access token is set", hasToken ? "yes" : "no"],
];

/** Everything that helps to find a fault, and nothing of anyone's data: no prompts, no rows, no file names. */
export function reportText(
  lines: readonly Line[],
  errors: AppState["errors"],
  device: Diagnostics | null,
): string {
  return JSON.stringify(
    {
      facts: Object.fromEntries(lines),
      limits: device?.limits ?? null,
      features: device?.features ?? null,
      errors: errors.map(({ time, failure }) => ({
        time: new Date(time).toISOString(),
        ...anonymous(failure),
      })),
    },
    null,
    2,
  );
}

/** Codes and places of errors. Messages may quote rows of data, so that they stay here. */
const anonymous = ({ code, stack }: Failure): { code: string; at: readonly string[] } => ({
  code,
  at: stack
    .split("\n")
    .filter((line) => /^\s*at /.test(line))
    .slice(0, 8)
    .map((line) => line.trim()),
});
