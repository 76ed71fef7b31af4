import { useState } from "react";
import { formatBytes } from "../../lib/format_bytes.ts";
import type { MemoryParts } from "../../protocol/setup.ts";
import { formatPercent } from "../format.ts";
import "../styles/memory.css";

const COLOURS = 8;
const colourOf = (index: number): string => `var(--series-${(index % COLOURS) + 1})`;

interface MemoryBarProps {
  readonly plan: MemoryParts;
  /** Bytes that are allowed; null where no bound is set. */
  readonly bound?: number | null;
  /** What opens the list of parts. */
  readonly summary: string;
  readonly thin?: boolean;
}

/** GPU memory part by part: a bar for the eye, and the same as a list. */
export function MemoryBar({ plan, bound = null, summary, thin = false }: MemoryBarProps) {
  const [open, setOpen] = useState(false);
  const over = bound !== null && plan.total > bound;
  const whole = Math.max(1, plan.total, bound ?? 0);
  return (
    <div>
      <div className={`memory-bar${over ? " over" : ""}${thin ? " thin" : ""}`} aria-hidden="true">
        <div className="meter">
          {plan.parts.map(({ name, bytes }, i) => (
            <span
              key={name}
              className="meter-part"
              style={{ width: `${(100 * bytes) / whole}%`, background: colourOf(i) }}
            />
          ))}
        </div>
        {over && <span className="memory-bound" style={{ left: `${(100 * bound) / whole}%` }} />}
      </div>
      <details open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary className="small">{summary}</summary>
        <ul className="memory-parts small">
          {plan.parts.map(({ name, bytes, help }, i) => (
            <li key={name} title={help}>
              <span className="memory-swatch" style={{ background: colourOf(i) }} aria-hidden="true" />
              <span className="grow">{name}</span>
              <span>{formatBytes(bytes)}</span>
              <span className="muted memory-share">{formatPercent(bytes / Math.max(1, plan.total))}</span>
            </li>
          ))}
        </ul>
      </details>
    </div>
  );
}
