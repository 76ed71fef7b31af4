import { Trash2 } from "lucide-react";
import { useEffect, useState } from "react";
import { Link } from "wouter";
import { formatBytes } from "../../lib/format_bytes.ts";
import type { StorageReport } from "../../protocol/storage.ts";
import { loadStorage, notify, useApp } from "../../store/app.ts";
import { shown } from "../../store/failure.ts";
import { discardRun, loadRuns } from "../../store/run_actions.ts";
import { isGoing, nameOf, type RunView, stepOf, totalStepsOf, useRuns } from "../../store/runs.ts";
import { Sparkline } from "../chart/sparkline.tsx";
import { ErrorCard } from "../errors/error_card.tsx";
import { formatCount, formatDate, formatMetric, methodName, metricName, NONE, plural } from "../format.ts";
import { ConfirmDialog } from "../parts/dialog.tsx";
import { ScrollArea } from "../parts/scroll_area.tsx";
import { ProgressBar, StatusPill } from "../parts/status.tsx";
import "../styles/runs.css";

/** Every run that this browser keeps. */
export function RunsPage() {
  const { runs, order, listed } = useRuns();
  const [deleting, setDeleting] = useState<RunView | null>(null);
  useEffect(() => {
    void loadRuns();
    void loadStorage();
  }, []);
  const list = order.flatMap((id) => runs[id] ?? []);
  const refused = list.find((run) => run.refused)?.refused;
  return (
    <div className="page stack">
      <div className="row wrap between">
        <h1 className="page-title">Runs</h1>
        <Link href="/new" className="button">
          New run
        </Link>
      </div>
      <StorageBar />
      {refused && <ErrorCard failure={refused} compact />}
      {!listed && <div className="skeleton runs-skeleton" role="status" aria-label="Reading the runs" />}
      {listed && list.length === 0 && <NoRuns />}
      {listed && list.length > 0 && <Table list={list} onDelete={setDeleting} />}
      <DeleteDialog run={deleting} onClose={() => setDeleting(null)} />
    </div>
  );
}

function NoRuns() {
  return (
    <div className="card empty">
      <h2>No runs yet</h2>
      <p className="muted">Train the demo: it takes about a minute and needs nothing from you.</p>
      <Link href="/" className="button primary">
        Go to the demo
      </Link>
    </div>
  );
}

function DeleteDialog({ run, onClose }: { run: RunView | null; onClose: () => void }) {
  const remove = async () => {
    if (!run || !(await discardRun(run.id))) return;
    notify(`${nameOf(run)} was deleted.`);
    void loadStorage();
  };
  return (
    <ConfirmDialog
      title={`Delete ${run ? nameOf(run) : ""}?`}
      open={run !== null}
      action="Delete the run"
      onClose={onClose}
      onConfirm={() => void remove()}
    >
      <p>
        {run && stepOf(run) > 0 ? `Steps 1–${formatCount(stepOf(run))}, ` : ""}its adapter, checkpoints and
        metrics will be deleted{run?.summary ? `; ${formatBytes(run.summary.bytes)} become free` : ""}. This
        cannot be undone.
      </p>
    </ConfirmDialog>
  );
}

function StorageBar() {
  const storage = useApp((state) => shown(state.storage));
  if (!storage) return null;
  return (
    <section className="storage" aria-label="Storage">
      <p>
        <strong>{formatBytes(storage.used)}</strong>{" "}
        <span className="muted">
          of about {formatBytes(storage.quota)} used in this browser. {persistence(storage)}
        </span>
      </p>
      <ProgressBar label="Storage used" share={storage.quota > 0 ? storage.used / storage.quota : 0} />
    </section>
  );
}

const persistence = ({ persistent }: StorageReport): string =>
  persistent
    ? "It stays until you delete it."
    : "The browser may delete it when the disk is full: download what matters.";

interface TableProps {
  readonly list: readonly RunView[];
  readonly onDelete: (run: RunView) => void;
}

function Table({ list, onDelete }: TableProps) {
  return (
    <ScrollArea className="table-frame" label="All runs">
      <table className="table runs-table">
        <caption className="hidden">{plural(list.length, "run")}, newest first</caption>
        <thead>
          <tr>
            <th scope="col">Run</th>
            <th scope="col">Method, model, data</th>
            <th scope="col">Changes from previous</th>
            <th scope="col" className="number">
              Result
            </th>
            <th scope="col">Course</th>
            <th scope="col" className="number">
              Steps
            </th>
            <th scope="col">When</th>
            <th scope="col" className="number">
              Size
            </th>
            <th scope="col">
              <span className="hidden">Delete</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {list.map((run) => (
            <Row key={run.id} run={run} onDelete={() => onDelete(run)} />
          ))}
        </tbody>
      </table>
    </ScrollArea>
  );
}

function Row({ run, onDelete }: { run: RunView; onDelete: () => void }) {
  const { summary } = run;
  const total = totalStepsOf(run);
  const hero = summary?.hero;
  return (
    <tr>
      <td>
        <div className="run-cell">
          <Link href={`/run/${run.id}`}>{nameOf(run)}</Link>
          <StatusPill status={run.status} />
        </div>
      </td>
      <td>
        {summary ? (
          <>
            {methodName(summary.algorithm)}
            <br />
            <span className="muted small">
              {summary.model} · {summary.dataset}
            </span>
          </>
        ) : (
          NONE
        )}
      </td>
      <td className="small">
        {summary && summary.changes.length > 0 ? (
          <ul>
            {summary.changes.map((change) => (
              <li key={change}>{change}</li>
            ))}
          </ul>
        ) : (
          <span className="muted" title="The same settings, or the first run">
            {NONE}
          </span>
        )}
      </td>
      <td className="number">
        {hero ? (
          <>
            <strong>{formatMetric(hero.value)}</strong>
            <br />
            <span className="muted small">{metricName(hero.name)}</span>
          </>
        ) : (
          NONE
        )}
      </td>
      <td>
        <Sparkline
          values={summary?.spark ?? []}
          label={`${hero ? metricName(hero.name) : "Loss"} over the run`}
        />
      </td>
      <td className="number">
        {formatCount(stepOf(run))} / {total === null ? NONE : formatCount(total)}
      </td>
      <td className="nowrap">{summary ? formatDate(summary.updated) : NONE}</td>
      <td className="number">{summary ? formatBytes(summary.bytes) : NONE}</td>
      <td>
        <button
          type="button"
          className="icon-button"
          aria-label={`Delete ${nameOf(run)}…`}
          disabled={isGoing(run)}
          onClick={onDelete}
        >
          <Trash2 size={16} aria-hidden />
        </button>
      </td>
    </tr>
  );
}
