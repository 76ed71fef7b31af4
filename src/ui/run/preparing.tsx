import { Check, Circle, LoaderCircle } from "lucide-react";
import { useState } from "react";
import { navigate } from "wouter/use-hash-location";
import { formatBytes } from "../../lib/format_bytes.ts";
import { notify } from "../../store/app.ts";
import { cancelPreparing } from "../../store/run_actions.ts";
import type { Preparing as PreparingStatus, RunView } from "../../store/runs.ts";
import { formatCount } from "../format.ts";
import { Arriving } from "../hub/arriving.tsx";
import { ProgressBar } from "../parts/status.tsx";

const PARTS = [
  ["model", "Model files"],
  ["data", "Data"],
  ["kernels", "GPU kernels"],
] as const;

function amount(part: PreparingStatus): string {
  const show = part.unit === "bytes" ? formatBytes : formatCount;
  const unit = part.unit === "bytes" ? "" : ` ${part.unit}`;
  return part.total > 0 ? `${show(part.done)} of ${show(part.total)}${unit}` : `${show(part.done)}${unit}`;
}

/** What is waited for before the first step, with bytes or counts. */
export function Preparing({ run }: { run: RunView }) {
  const now = run.status.state === "preparing" ? run.status.what : null;
  return (
    <section className="card preparing" aria-label="Preparing">
      <Arriving />
      {PARTS.map(([what, label]) => (
        <Row key={what} label={label} part={run.prepared[what]} now={what === now} />
      ))}
      <CancelButton runId={run.id} />
    </section>
  );
}

/** Back to the settings, with all that was downloaded: a run that was to go on stands where it stood. */
function CancelButton({ runId }: { runId: string }) {
  const [ending, setEnding] = useState(false);
  const cancel = async () => {
    setEnding(true);
    const isGone = await cancelPreparing(runId);
    setEnding(false);
    if (!isGone) return;
    notify("The run was cancelled. What was downloaded is kept, and the next try goes on from there.");
    navigate("/new");
  };
  return (
    <div className="row">
      <button type="button" className="button" disabled={ending} onClick={() => void cancel()}>
        {ending ? "Cancelling…" : "Cancel"}
      </button>
    </div>
  );
}

interface RowProps {
  readonly label: string;
  readonly part: PreparingStatus | undefined;
  readonly now: boolean;
}

/** How much of a part is there: one that was left behind is whole. */
function shareOf(part: PreparingStatus | undefined, now: boolean): number {
  if (part === undefined) return 0;
  if (!now) return 1;
  return part.total > 0 ? part.done / part.total : 0;
}

function Row({ label, part, now }: RowProps) {
  const share = shareOf(part, now);
  const Waiting = now ? LoaderCircle : Circle;
  const Icon = share >= 1 ? Check : Waiting;
  return (
    <div className="preparing-row">
      <Icon size={16} aria-hidden className={share >= 1 ? "good-text" : "muted"} />
      <span className={now ? "strong" : ""}>{label}</span>
      <ProgressBar label={label} share={share} />
      <span className="muted small number">{part ? amount(part) : "Waiting"}</span>
    </div>
  );
}
