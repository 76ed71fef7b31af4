import { useState } from "react";
import type { LogLine } from "../../protocol/runs.ts";
import { notify } from "../../store/app.ts";
import type { RunView } from "../../store/runs.ts";
import { formatClock } from "../format.ts";
import { ScrollArea } from "../parts/scroll_area.tsx";

const LEVELS = [
  ["info", "Everything"],
  ["warn", "Warnings and errors"],
  ["error", "Errors"],
] as const;
type Level = (typeof LEVELS)[number][0];
const RANK: Readonly<Record<Level, number>> = { info: 0, warn: 1, error: 2 };
const WORDS: Readonly<Record<Level, string>> = { info: "", warn: "Warning: ", error: "Error: " };
const MOST_LINES = 500;

/** What the run said as it went. */
export function LogTab({ run }: { run: RunView }) {
  const [level, setLevel] = useState<Level>("info");
  const lines = run.log.filter((line) => RANK[line.level] >= RANK[level]);
  const shownLines = lines.slice(-MOST_LINES);
  const copy = () => {
    const text = lines
      .map((line) => `${new Date(line.time).toISOString()} ${line.level} ${line.text}`)
      .join("\n");
    void navigator.clipboard.writeText(text).then(() => notify("The log was copied."));
  };
  return (
    <div className="stack tight">
      <div className="row wrap">
        <label className="row">
          <span className="muted">Show</span>
          <select
            className="select step-select"
            value={level}
            onChange={(event) =>
              setLevel(LEVELS.find(([name]) => name === event.target.value)?.[0] ?? "info")
            }
          >
            {LEVELS.map(([name, label]) => (
              <option key={name} value={name}>
                {label}
              </option>
            ))}
          </select>
        </label>
        <button type="button" className="button" onClick={copy}>
          Copy
        </button>
      </div>
      {lines.length > MOST_LINES && <p className="muted small">The last {MOST_LINES} lines.</p>}
      <ScrollArea className="code log" label="Log">
        {shownLines.length === 0 && <p className="muted">Nothing was said yet.</p>}
        {shownLines.map((line, i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: lines are only added.
          <Line key={i} line={line} />
        ))}
      </ScrollArea>
    </div>
  );
}

const TONES: Readonly<Record<Level, string>> = { info: "", warn: "warn-text", error: "bad-text" };

function Line({ line }: { line: LogLine }) {
  return (
    <p className={TONES[line.level]}>
      <span className="muted">{formatClock(line.time)}</span> {WORDS[line.level]}
      {line.text}
    </p>
  );
}
