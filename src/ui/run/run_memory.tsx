import { formatBytes } from "../../lib/format_bytes.ts";
import type { RunView } from "../../store/runs.ts";
import { MemoryBar } from "../parts/memory_bar.tsx";

/** What the run was planned to take of the GPU's memory, and the most that it took. */
export function RunMemory({ run: { memory, progress } }: { run: RunView }) {
  if (!memory) return null;
  const { plan } = memory;
  const peak = Math.max(memory.peak, progress?.gpuPeakBytes ?? 0);
  const more = peak > 1.05 * plan.total ? " A chat beside the run counts too." : "";
  const words = `GPU memory: planned ${formatBytes(plan.total)}, peak ${formatBytes(peak)}.${more}`;
  return <MemoryBar plan={plan} summary={words} thin />;
}
