import { lazy, Suspense, useEffect, useState } from "react";
import { Link } from "wouter";
import type { AlgorithmInfo } from "../../protocol/catalog.ts";
import { useApp } from "../../store/app.ts";
import { closeExport, useExport } from "../../store/exports.ts";
import { shown } from "../../store/failure.ts";
import { headlineOf } from "../../store/headline.ts";
import { loadRun } from "../../store/run_actions.ts";
import { isGoing, methodIdOf, type RunView, stepOf, useRuns } from "../../store/runs.ts";
import { ErrorCard } from "../errors/error_card.tsx";
import { methodName } from "../format.ts";
import { DoneCard } from "./done_card.tsx";
import { Preparing } from "./preparing.tsx";
import { ProgressRow } from "./progress_row.tsx";
import { failedReward } from "./reward_failure.ts";
import { RewardFailureCard } from "./reward_failure_card.tsx";
import { OtherCharts, RunCharts } from "./run_charts.tsx";
import { RunHeader } from "./run_header.tsx";
import { RunTabs } from "./run_tabs.tsx";
import { Samples } from "./samples.tsx";
import "../styles/chart.css";
import "../styles/run.css";

const RolloutsPanel = lazy(async () => ({
  default: (await import("../rollouts/rollouts_panel.tsx")).RolloutsPanel,
}));

const ExportDialog = lazy(async () => ({
  default: (await import("./export_dialog.tsx")).ExportDialog,
}));

/** One run: how far it is, how it goes, what it says, what it has saved. */
export function RunPage({ id }: { id: string }) {
  const run = useRuns((state) => state.runs[id]);
  useEffect(() => {
    void loadRun(id);
  }, [id]);
  if (!run) return <p className="page muted">Reading the run…</p>;
  if (!run.loaded && run.refused && run.rows.length === 0 && run.summary === null)
    return (
      <div className="page stack">
        <h1>This run is not here</h1>
        <ErrorCard failure={run.refused} />
        <p>
          <Link href="/runs">Go to all runs</Link>
        </p>
      </div>
    );
  return <Run run={run} />;
}

function Run({ run }: { run: RunView }) {
  const catalog = useApp((state) => shown(state.catalog));
  const algorithm = catalog?.algorithms.find(({ id }) => id === methodIdOf(run));
  const { status } = run;
  // A run that ended before its first step has nothing to draw.
  const going = isGoing(run);
  return (
    <div className="page run">
      <RunHeader run={run} method={algorithm?.label ?? methodName(methodIdOf(run))} />
      <State run={run} algorithm={algorithm} />
      {status.state !== "preparing" && (going || stepOf(run) > 0) && (
        <ProgressRow run={run} algorithm={algorithm} />
      )}
      {(going || run.rows.length > 0) && <RunCharts run={run} algorithm={algorithm} />}
      <Answers run={run} algorithm={algorithm} />
      <OtherCharts run={run} algorithm={algorithm} />
      <RunTabs run={run} headline={headlineOf(algorithm)} />
      <Exporting />
    </div>
  );
}

/** The dialog is fetched when it is first asked for, and stays: a dialog that closes itself gives the focus back. */
function Exporting() {
  const open = useExport((state) => state.runId !== null);
  const [wanted, setWanted] = useState(false);
  if (open && !wanted) setWanted(true);
  useEffect(() => closeExport, []);
  return wanted ? (
    <Suspense fallback={null}>
      <ExportDialog />
    </Suspense>
  ) : null;
}

interface PartProps {
  readonly run: RunView;
  readonly algorithm: AlgorithmInfo | undefined;
}

/** How the run stands, when there is something to say or to do about it. */
function State({ run, algorithm }: PartProps) {
  const { status } = run;
  const last = run.rollouts.find(({ step }) => step === run.rolloutSteps.at(-1));
  // A pause that nobody asked for has a reason; the answers say whether a reward is to blame.
  const reason = status.state === "paused" || status.state === "interrupted" ? status.reason : null;
  const failure = reason !== null && last ? failedReward(last) : null;
  return (
    <>
      {run.refused && <ErrorCard failure={run.refused} runId={run.id} compact />}
      {status.state === "failed" && <ErrorCard failure={status.error} runId={run.id} />}
      {status.state === "done" && (
        <DoneCard run={run} algorithm={algorithm} stoppedEarly={status.stoppedEarly} reason={status.reason} />
      )}
      {failure && <RewardFailureCard runId={run.id} failure={failure} />}
      {status.state === "paused" && (
        <p className="note warn">
          Paused at step {status.step}. {failure ? "" : (status.reason ?? "")}{" "}
          {status.saved ? "A checkpoint was saved: closing this tab loses nothing." : "Not saved yet."}
        </p>
      )}
      {status.state === "interrupted" && <Interrupted {...status} reason={failure ? "" : reason} />}
      {status.state === "preparing" && <Preparing run={run} />}
    </>
  );
}

/** A run of an earlier visit that can go on. */
function Interrupted({ step, reason }: { readonly step: number; readonly reason: string | null }) {
  const ended = "Nothing was learned yet: start it again from its configuration below.";
  if (reason !== null)
    return (
      <p className="note warn">
        It had paused at step {step} when the tab closed. {reason} {step === 0 && ended}
      </p>
    );
  return (
    <p className="note warn">
      {step > 0
        ? `This run stopped at step ${step} when the tab closed. Resume goes on from its last checkpoint.`
        : `This run ended before its first step, when the tab closed. ${ended}`}
    </p>
  );
}

/** What the model says as it learns: scored answers, or the same prompts again and again. */
function Answers({ run, algorithm }: PartProps) {
  const { state } = run.status;
  const training = state === "running" || state === "preparing";
  const scored = algorithm?.data === "prompts";
  return (
    <>
      {scored && (
        <Suspense fallback={<section className="card rollouts-waiting" aria-label="Rollouts" />}>
          <RolloutsPanel run={run} going={training} />
        </Suspense>
      )}
      {(!scored || run.samples.length > 0) && <Samples sets={run.samples} going={training} />}
    </>
  );
}
