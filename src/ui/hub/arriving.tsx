import { Download } from "lucide-react";
import { formatBytes } from "../../lib/format_bytes.ts";
import { isArriving, secondsLeft, useDownloads } from "../../store/downloads.ts";
import { formatDuration } from "../format.ts";
import { ProgressBar } from "../parts/status.tsx";
import "../styles/arriving.css";

/** What comes from a hub just now: how much, how fast, how long still. */
export function Arriving() {
  const byKey = useDownloads((state) => state.byKey);
  return (
    <>
      {Object.values(byKey)
        .filter(isArriving)
        .map((progress) => {
          const { key, name, done, total, rate } = progress;
          const left = secondsLeft(progress);
          return (
            <div key={key} className="arriving">
              <Download size={16} aria-hidden className="muted" />
              <span className="strong">Download</span>
              <ProgressBar label={`Download of ${name}`} share={total > 0 ? done / total : 0} />
              <span className="muted small number">
                {name}: {formatBytes(done)} of {formatBytes(total)}
                {rate !== undefined && ` · ${formatBytes(rate)}/s`}
                {left !== null && ` · ${formatDuration(left)} left`}
              </span>
            </div>
          );
        })}
    </>
  );
}
