import { Ban, Check, CircleDashed, CirclePause, History, Play } from "lucide-react";
import type { RunStatus } from "../../protocol/runs.ts";

const WORDS = {
  preparing: "Preparing",
  running: "Training",
  pausing: "Pausing",
  paused: "Paused",
  done: "Done",
  failed: "Failed",
  interrupted: "Interrupted",
} as const;

const ICONS = {
  preparing: CircleDashed,
  running: Play,
  pausing: CirclePause,
  paused: CirclePause,
  done: Check,
  failed: Ban,
  interrupted: History,
} as const;

const TONES = {
  preparing: "",
  running: "accent",
  pausing: "warn",
  paused: "warn",
  done: "good",
  failed: "bad",
  interrupted: "warn",
} as const;

export const statusWord = (status: RunStatus): string =>
  status.state === "done" && status.stoppedEarly ? "Stopped, kept" : WORDS[status.state];

/** A state as icon, word and colour. */
export function StatusPill({ status }: { status: RunStatus }) {
  const Icon = ICONS[status.state];
  return (
    <span className={`pill ${TONES[status.state]}`}>
      <Icon size={12} aria-hidden />
      {statusWord(status)}
    </span>
  );
}

/** A bar with its share, for eyes and ears. */
export function ProgressBar({ label, share }: { label: string; share: number | null }) {
  const percent = share === null ? null : Math.round(Math.min(1, Math.max(0, share)) * 100);
  return (
    <div
      role="progressbar"
      className="progress"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      {...(percent === null ? {} : { "aria-valuenow": percent })}
    >
      <div className="progress-bar" style={{ transform: `scaleX(${(percent ?? 0) / 100})` }} />
    </div>
  );
}
