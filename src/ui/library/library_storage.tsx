import { Link } from "wouter";
import { formatBytes } from "../../lib/format_bytes.ts";
import type { Library } from "../../protocol/hub.ts";
import { keepStorage } from "../../store/library.ts";
import { useRuns } from "../../store/runs.ts";
import { NONE, plural } from "../format.ts";

/** How much room is taken by what, and whether the browser may clear it. */
export function LibraryStorage({ library }: { readonly library: Library }) {
  const { entries, used, quota, persistent } = library;
  const runs = useRuns((state) => state.order.length);
  const ofRuns = useRuns((state) =>
    state.order.reduce((sum, id) => sum + (state.runs[id]?.summary?.bytes ?? 0), 0),
  );
  const sizeOf = (kind: "model" | "dataset"): number =>
    entries.reduce((sum, entry) => sum + (entry.kind === kind ? entry.bytes : 0), 0);
  const parts = [
    ["Models", sizeOf("model")],
    ["Datasets", sizeOf("dataset")],
    ["Runs", ofRuns],
  ] as const;
  const named = parts.reduce((sum, [, bytes]) => sum + bytes, 0);
  const all = [...parts, ["This app", Math.max(0, used - named)]] as const;
  return (
    <section className="card stack tight" aria-label="Storage">
      <div className="row wrap between library-used">
        <p>
          <strong className="library-number">{used > 0 ? formatBytes(used) : NONE}</strong>{" "}
          <span className="muted">
            {quota > 0 ? `of about ${formatBytes(quota)} that this browser allows` : "used in this browser"}
          </span>
        </p>
        <Persistence persistent={persistent} />
      </div>
      <div className="meter" aria-hidden="true">
        {all.map(([name, bytes], i) => (
          <span
            key={name}
            className="meter-part"
            style={{
              width: `${(100 * bytes) / Math.max(1, quota, used)}%`,
              background: `var(--series-${i + 1})`,
              ...(bytes === 0 && { minWidth: 0 }),
            }}
          />
        ))}
      </div>
      <ul className="library-parts small">
        {all.map(([name, bytes], i) => (
          <li key={name} className="row">
            <span
              className="memory-swatch"
              style={{ background: `var(--series-${i + 1})` }}
              aria-hidden="true"
            />
            {name === "Runs" ? <Link href="/runs">{plural(runs, "run")}</Link> : name}
            <span className="muted">{formatBytes(bytes)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Persistence({ persistent }: { readonly persistent: boolean }) {
  if (persistent) return <p className="good-text small">Kept until you delete it</p>;
  return (
    <div className="row wrap">
      <span className="warn-text small">The browser may clear it when the disk is full</span>
      <button type="button" className="button" onClick={() => void keepStorage()}>
        Ask to keep it
      </button>
    </div>
  );
}
