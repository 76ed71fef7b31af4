import type { ExportKind, ExportPlan } from "../../protocol/exports.ts";
import { closeExport, useExport } from "../../store/exports.ts";
import { shown } from "../../store/failure.ts";
import { type DownloadKind, downloadOf } from "../../store/run_actions.ts";
import { nameOf, useRuns } from "../../store/runs.ts";
import { ErrorCard } from "../errors/error_card.tsx";
import { Dialog } from "../parts/dialog.tsx";
import { saveFile } from "../parts/save_file.ts";
import { ExportCard } from "./export_card.tsx";
import { UploadCard } from "./upload_card.tsx";
import "../styles/export.css";

const ORDER: readonly ExportKind[] = ["adapter", "model", "merged", "gguf", "cluster"];

/** What a run has learned, in every form that it can be taken away in. Uploading is last, and nothing goes anywhere before. */
export function ExportDialog() {
  const { runId, plan } = useExport();
  const run = useRuns((state) => (runId === null ? undefined : state.runs[runId]));
  const found = shown(plan);
  return (
    <Dialog title={run ? `Export ${nameOf(run)}` : "Export"} open={runId !== null} onClose={closeExport} wide>
      {plan.state === "loading" && found === null && <p className="muted">Reading the checkpoint…</p>}
      {plan.state === "failed" && <ErrorCard failure={plan.error} compact here />}
      {found && runId !== null && <Cards plan={found} runId={runId} />}
    </Dialog>
  );
}

function Cards({ plan, runId }: { plan: ExportPlan; runId: string }) {
  const inOrder = ORDER.flatMap((kind) => plan.options.filter((option) => option.kind === kind));
  const first = inOrder.find((option) => option.possible && option.kind !== "cluster");
  return (
    <div className="stack">
      <p className="muted">
        From the checkpoint of step {plan.step}. Every file is read back after it was written.
      </p>
      {inOrder.map((option) => (
        <ExportCard key={option.kind} option={option} basePrecision={plan.basePrecision} />
      ))}
      <RecordsCard runId={runId} />
      {first?.possible && <UploadCard files={first.files} repository={plan.repository} />}
    </div>
  );
}

const RECORDS: readonly (readonly [DownloadKind, string])[] = [
  ["config", "Configuration (YAML)"],
  ["metrics-csv", "Metrics (CSV)"],
  ["metrics-jsonl", "Metrics (JSONL)"],
];

function RecordsCard({ runId }: { runId: string }) {
  const download = async (kind: DownloadKind) => {
    const file = await downloadOf(runId, kind);
    if (file) saveFile(file);
  };
  return (
    <section className="card stack tight" aria-labelledby="export-records">
      <h3 id="export-records">Configuration and metrics</h3>
      <p className="muted">What was asked for and what was measured, for a run again or a chart elsewhere.</p>
      <div className="row wrap">
        {RECORDS.map(([kind, label]) => (
          <button key={kind} type="button" className="button" onClick={() => void download(kind)}>
            {label}
          </button>
        ))}
      </div>
    </section>
  );
}
