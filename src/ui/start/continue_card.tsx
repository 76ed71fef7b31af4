import { Link } from "wouter";
import { navigate } from "wouter/use-hash-location";
import { resumeRun } from "../../store/run_actions.ts";
import { isGoing, nameOf, stepOf, totalStepsOf, useRuns } from "../../store/runs.ts";
import { formatCount, formatDate } from "../format.ts";
import { StatusPill } from "../parts/status.tsx";

const RESUMABLE = ["interrupted", "failed"];

/** The last run, for people who come back. */
export function ContinueCard({ id }: { id: string }) {
  const run = useRuns((state) => state.runs[id]);
  if (!run) return null;
  const step = stepOf(run);
  const total = totalStepsOf(run);
  const going = isGoing(run);
  const resumable = RESUMABLE.includes(run.status.state) && step > 0;
  const resume = () => {
    void resumeRun(id, null);
    navigate(`/run/${id}`);
  };
  return (
    <section className="card continue" aria-label="Your last run">
      <div className="row wrap between">
        <div className="row wrap">
          <h2>{nameOf(run)}</h2>
          <StatusPill status={run.status} />
        </div>
        {run.summary && <span className="muted small">{formatDate(run.summary.updated)}</span>}
      </div>
      <p className="muted">{sentence(run.status.state, step, total)}</p>
      <div className="row wrap">
        {resumable && (
          <button type="button" className="button primary" onClick={resume}>
            Resume
          </button>
        )}
        <Link href={`/run/${id}`} className={resumable ? "button" : "button primary"}>
          {going ? "Watch it" : "Open the run"}
        </Link>
        {!going && step > 0 && (
          <Link href={`/chat/${id}`} className="button">
            Chat
          </Link>
        )}
        <Link href="/new" className="button">
          New run
        </Link>
      </div>
    </section>
  );
}

function sentence(state: string, step: number, total: number | null): string {
  const of = total === null ? "" : ` of ${formatCount(total)}`;
  if (step === 0 && !["preparing", "running"].includes(state))
    return "It ended before its first step: nothing was learned yet.";
  if (state === "interrupted")
    return `Stopped at step ${formatCount(step)}${of} when the tab closed. It can go on.`;
  if (state === "done") return `Finished after ${formatCount(step)}${of} steps.`;
  if (state === "failed")
    return `Failed at step ${formatCount(step)}${of}. What was learned until the last checkpoint is kept.`;
  return `At step ${formatCount(step)}${of}.`;
}
