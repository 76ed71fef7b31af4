import {
  ChevronDown,
  Download,
  MessagesSquare,
  Pause,
  Pencil,
  Play,
  SkipForward,
  Trash2,
} from "lucide-react";
import { type FormEvent, useState } from "react";
import { Link } from "wouter";
import { navigate } from "wouter/use-hash-location";
import { notify } from "../../store/app.ts";
import { openExport } from "../../store/exports.ts";
import {
  continueRun,
  discardRun,
  downloadOf,
  pauseRun,
  renameRun,
  resumeRun,
  stepRun,
  stopRun,
} from "../../store/run_actions.ts";
import { isGoing, nameOf, type RunView, stepOf } from "../../store/runs.ts";
import { formatCount } from "../format.ts";
import { ConfirmDialog } from "../parts/dialog.tsx";
import { Popover } from "../parts/popover.tsx";
import { saveFile } from "../parts/save_file.ts";
import { StatusPill } from "../parts/status.tsx";

/** The run's name and state, and what can be done with it now. */
export function RunHeader({ run, method }: { run: RunView; method: string }) {
  const { summary } = run;
  return (
    <header className="run-header">
      <div className="grow">
        <Name run={run} />
        <div className="row wrap run-tags">
          <StatusPill status={run.status} />
          {method && <span className="pill">{method}</span>}
          {summary && (
            <span className="muted small ellipsis">
              {summary.model} · {summary.dataset}
            </span>
          )}
        </div>
      </div>
      <div className="row wrap">
        {isGoing(run) ? <LiveControls run={run} /> : <EndedControls run={run} />}
      </div>
    </header>
  );
}

function Name({ run }: { run: RunView }) {
  const [editing, setEditing] = useState(false);
  const name = nameOf(run);
  if (!editing)
    return (
      <div className="row run-name">
        <h1 className="ellipsis" title={name}>
          {name}
        </h1>
        {run.summary && (
          <button
            type="button"
            className="icon-button"
            aria-label="Rename the run"
            onClick={() => setEditing(true)}
          >
            <Pencil size={16} aria-hidden />
          </button>
        )}
      </div>
    );
  const save = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const wanted = String(new FormData(event.currentTarget).get("name") ?? "").trim();
    if (wanted && wanted !== name) void renameRun(run.id, wanted);
    setEditing(false);
  };
  return (
    <form className="row run-name" onSubmit={save}>
      <input
        className="input"
        name="name"
        aria-label="Name of the run"
        defaultValue={name}
        maxLength={80}
        ref={(field) => field?.select()}
      />
      <button type="submit" className="button">
        Save
      </button>
    </form>
  );
}

function LiveControls({ run }: { run: RunView }) {
  const { id, status } = run;
  return (
    <>
      {status.state === "running" && (
        <button type="button" className="button" onClick={() => void pauseRun(id)}>
          <Pause size={16} aria-hidden />
          Pause
        </button>
      )}
      {status.state === "pausing" && (
        <button type="button" className="button" disabled>
          Pausing after this step…
        </button>
      )}
      {status.state === "paused" && (
        <>
          <button type="button" className="button primary" onClick={() => void continueRun(id)}>
            <Play size={16} aria-hidden />
            Continue
          </button>
          <button type="button" className="button" onClick={() => void stepRun(id)}>
            <SkipForward size={16} aria-hidden />
            Step
          </button>
          {run.checkpoints.length > 0 && <ExportButton runId={id} />}
        </>
      )}
      <StopMenu run={run} />
    </>
  );
}

function ExportButton({ runId }: { runId: string }) {
  return (
    <button type="button" className="button" onClick={() => void openExport(runId)}>
      Export…
    </button>
  );
}

function StopMenu({ run }: { run: RunView }) {
  const [asking, setAsking] = useState(false);
  const preparing = run.status.state === "preparing";
  return (
    <>
      <Popover
        align="end"
        button={
          <>
            Stop
            <ChevronDown size={16} aria-hidden />
          </>
        }
      >
        {(close) => (
          <div className="menu">
            {!preparing && (
              <button
                type="button"
                onClick={() => {
                  close();
                  void stopRun(run.id);
                }}
              >
                Stop and keep
              </button>
            )}
            <button
              type="button"
              className="bad-text"
              onClick={() => {
                close();
                setAsking(true);
              }}
            >
              <Trash2 size={16} aria-hidden />
              Discard…
            </button>
          </div>
        )}
      </Popover>
      <DiscardDialog run={run} open={asking} onClose={() => setAsking(false)} />
    </>
  );
}

function DiscardDialog({ run, open, onClose }: { run: RunView; open: boolean; onClose: () => void }) {
  const step = stepOf(run);
  const discard = async () => {
    if (!(await discardRun(run.id))) return;
    notify(`${nameOf(run)} was deleted.`);
    navigate("/runs");
  };
  return (
    <ConfirmDialog
      title={`Delete ${nameOf(run)}?`}
      open={open}
      action="Delete the run"
      onClose={onClose}
      onConfirm={() => void discard()}
    >
      <p>
        {step > 0 ? `Steps 1–${formatCount(step)}, ` : ""}its checkpoints, metrics and sample answers will be
        deleted. You cannot resume it.
      </p>
    </ConfirmDialog>
  );
}

const canResume = ({ status, checkpoints }: RunView): boolean =>
  (checkpoints.length > 0 || ("step" in status && status.state === "interrupted" && status.step > 0)) &&
  (status.state === "interrupted" ||
    status.state === "failed" ||
    (status.state === "done" && status.stoppedEarly));

function EndedControls({ run }: { run: RunView }) {
  const [asking, setAsking] = useState(false);
  const done = run.status.state === "done";
  const kept = run.checkpoints.length > 0 || done;
  const download = async () => {
    const file = await downloadOf(run.id, "adapter");
    if (file) saveFile(file);
  };
  return (
    <>
      {canResume(run) && (
        <button
          type="button"
          className={done ? "button" : "button primary"}
          onClick={() => void resumeRun(run.id, null)}
        >
          <Play size={16} aria-hidden />
          Resume
        </button>
      )}
      {kept && !done && (
        <>
          <Link href={`/chat/${run.id}`} className="button">
            <MessagesSquare size={16} aria-hidden />
            Chat
          </Link>
          <button type="button" className="button" onClick={() => void download()}>
            <Download size={16} aria-hidden />
            Download adapter
          </button>
          {run.checkpoints.length > 0 && <ExportButton runId={run.id} />}
        </>
      )}
      <button
        type="button"
        className="icon-button"
        aria-label="Delete the run…"
        onClick={() => setAsking(true)}
      >
        <Trash2 size={16} aria-hidden />
      </button>
      <DiscardDialog run={run} open={asking} onClose={() => setAsking(false)} />
    </>
  );
}
