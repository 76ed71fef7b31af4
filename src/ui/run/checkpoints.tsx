import { useState } from "react";
import { navigate } from "wouter/use-hash-location";
import { formatBytes } from "../../lib/format_bytes.ts";
import type { HeroMetric } from "../../protocol/catalog.ts";
import type { CheckpointSummary } from "../../protocol/runs.ts";
import { openChat, setChat } from "../../store/chat.ts";
import { pointsOf } from "../../store/metric_rows.ts";
import { deleteCheckpoint, downloadOf, resumeRun } from "../../store/run_actions.ts";
import { isGoing, type RunView } from "../../store/runs.ts";
import { formatDate, formatMetric } from "../format.ts";
import { ConfirmDialog } from "../parts/dialog.tsx";
import { saveFile } from "../parts/save_file.ts";
import { ScrollArea } from "../parts/scroll_area.tsx";

/** The points from which a run can go on, be talked to, or be taken away. */
export function Checkpoints({ run, headline }: { run: RunView; headline: HeroMetric }) {
  const [deleting, setDeleting] = useState<CheckpointSummary | null>(null);
  const going = isGoing(run);
  if (run.checkpoints.length === 0)
    return (
      <p className="muted">
        {going
          ? "None yet. One is saved when the run pauses or ends, and at the interval of the settings."
          : "This run has kept no checkpoint."}
      </p>
    );
  const values = new Map(pointsOf(run.rows, headline.metric).map(({ step, value }) => [step, value]));
  return (
    <ScrollArea className="table-frame" label="Table of checkpoints">
      <table className="table">
        <caption className="hidden">Checkpoints</caption>
        <thead>
          <tr>
            <th scope="col" className="number">
              Step
            </th>
            <th scope="col" className="number">
              {headline.title}
            </th>
            <th scope="col" className="number">
              Size
            </th>
            <th scope="col">Saved</th>
            <th scope="col">Use</th>
          </tr>
        </thead>
        <tbody>
          {run.checkpoints.map((checkpoint, i) => (
            <tr key={checkpoint.step}>
              <td className="number">{checkpoint.step}</td>
              <td className="number">{formatMetric(values.get(checkpoint.step))}</td>
              <td className="number">{formatBytes(checkpoint.bytes)}</td>
              <td>
                <span className="row wrap">
                  <span className="nowrap">{formatDate(checkpoint.saved)}</span>
                  {checkpoint.best && <span className="pill good">Best</span>}
                  {i === run.checkpoints.length - 1 && <span className="pill">Latest</span>}
                </span>
              </td>
              <td>
                <Uses
                  run={run}
                  checkpoint={checkpoint}
                  going={going}
                  onDelete={() => setDeleting(checkpoint)}
                />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <ConfirmDialog
        title={`Delete the checkpoint of step ${deleting?.step ?? ""}?`}
        open={deleting !== null}
        action="Delete the checkpoint"
        onClose={() => setDeleting(null)}
        onConfirm={() => deleting && void deleteCheckpoint(run.id, deleting.step)}
      >
        <p>
          {deleting ? formatBytes(deleting.bytes) : ""} become free. The run cannot be resumed from this step
          any more; its chart stays.
        </p>
      </ConfirmDialog>
    </ScrollArea>
  );
}

interface UsesProps {
  readonly run: RunView;
  readonly checkpoint: CheckpointSummary;
  readonly going: boolean;
  readonly onDelete: () => void;
}

function Uses({ run, checkpoint: { step }, going, onDelete }: UsesProps) {
  const talk = () => {
    openChat(run.id);
    setChat({ step });
    navigate(`/chat/${run.id}`);
  };
  const download = async () => {
    const file = await downloadOf(run.id, "adapter", step);
    if (file) saveFile(file);
  };
  return (
    <div className="row checkpoint-uses">
      <button type="button" className="link-button" disabled={going} onClick={talk}>
        Chat<span className="hidden"> with step {step}</span>
      </button>
      <button type="button" className="link-button" onClick={() => void download()}>
        Download<span className="hidden"> step {step}</span>
      </button>
      <button
        type="button"
        className="link-button"
        disabled={going}
        onClick={() => void resumeRun(run.id, step)}
      >
        Resume from here<span className="hidden">, step {step}</span>
      </button>
      <button type="button" className="link-button" disabled={going} onClick={onDelete}>
        Delete<span className="hidden"> step {step}</span>…
      </button>
    </div>
  );
}
