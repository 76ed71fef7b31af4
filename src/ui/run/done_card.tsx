import { Check, Download, MessagesSquare } from "lucide-react";
import { useState } from "react";
import { Link } from "wouter";
import { navigate } from "wouter/use-hash-location";
import type { AlgorithmInfo, HeroMetric } from "../../protocol/catalog.ts";
import { openExport } from "../../store/exports.ts";
import { beforeAfter, headlineOf } from "../../store/headline.ts";
import { downloadOf } from "../../store/run_actions.ts";
import { type RunView, stepOf } from "../../store/runs.ts";
import { newSetup } from "../../store/setup_actions.ts";
import { adapterName } from "../../store/start_from.ts";
import { formatMetric, plural } from "../format.ts";
import { saveFile } from "../parts/save_file.ts";
import { ScrollArea } from "../parts/scroll_area.tsx";
import { Answer } from "./samples.tsx";

interface DoneCardProps {
  readonly run: RunView;
  readonly algorithm: AlgorithmInfo | undefined;
  readonly stoppedEarly: boolean;
  readonly reason: string | null;
}

function sentence(run: RunView, hero: HeroMetric, stoppedEarly: boolean): string {
  const ends = beforeAfter(run.rows, hero);
  const steps = plural(stepOf(run), "step");
  const start = stoppedEarly ? "Stopped and kept." : "Done.";
  if (!ends) return `${start} ${steps} ${stepOf(run) === 1 ? "was" : "were"} made.`;
  const better = hero.better === "lower" ? ends.after < ends.before : ends.after > ends.before;
  const verb = better ? (hero.better === "lower" ? "fell" : "rose") : "went";
  const over = ends.over > 1 ? ` (means of the first and the last ${ends.over})` : "";
  return `${start} ${hero.title} ${verb} from ${formatMetric(ends.before)} to ${formatMetric(ends.after)} in ${steps}${over}.`;
}

/** Another run on top of what this one has learned. */
function further({ id, summary }: RunView): void {
  if (!summary || summary.adapterStep === null) return;
  newSetup(null, {
    model_name: summary.model,
    adapter_name_or_path: adapterName(id, summary.adapterStep),
  });
  navigate("/new");
}

/** What was reached, what has changed, and what comes next. */
export function DoneCard({ run, algorithm, stoppedEarly, reason }: DoneCardProps) {
  const [saving, setSaving] = useState(false);
  const download = async () => {
    setSaving(true);
    const file = await downloadOf(run.id, "adapter");
    if (file) saveFile(file);
    setSaving(false);
  };
  const own = () => {
    newSetup(null, { model_name: run.summary?.model });
    navigate("/new");
  };
  return (
    <section className="card done-card" aria-labelledby="done-title">
      <div className="row">
        <Check size={20} aria-hidden className="good-text" />
        <h2 id="done-title">{sentence(run, headlineOf(algorithm), stoppedEarly)}</h2>
      </div>
      {reason && <p className="muted">{reason}</p>}
      <BeforeAfter run={run} />
      <div className="row wrap">
        <Link href={`/chat/${run.id}`} className="button primary">
          <MessagesSquare size={16} aria-hidden />
          Chat with it
        </Link>
        <button type="button" className="button" disabled={saving} onClick={() => void download()}>
          <Download size={16} aria-hidden />
          {saving ? "Packing…" : "Download adapter"}
        </button>
        {run.checkpoints.length > 0 && (
          <button type="button" className="button" onClick={() => void openExport(run.id)}>
            Export…
          </button>
        )}
        {run.summary && run.summary.adapterStep !== null && (
          <button type="button" className="button" onClick={() => further(run)}>
            Train it further
          </button>
        )}
        <button type="button" className="button" onClick={own}>
          Try your own data
        </button>
      </div>
    </section>
  );
}

function BeforeAfter({ run }: { run: RunView }) {
  const base = run.samples.find(({ step }) => step === 0);
  const last = run.samples.at(-1);
  if (!base || !last || base === last) return null;
  return (
    <ScrollArea className="table-frame" label="Table of answers before and after">
      <table className="table compare-table">
        <caption className="hidden">Answers before and after training</caption>
        <thead>
          <tr>
            <th scope="col">Prompt</th>
            <th scope="col">Before</th>
            <th scope="col">After, step {last.step}</th>
          </tr>
        </thead>
        <tbody>
          {last.samples.map(({ prompt, answer }, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the prompts are fixed, and one may appear twice.
            <tr key={i}>
              <td>{prompt}</td>
              <td className="muted">{base.samples[i]?.answer ?? "—"}</td>
              <td>
                <Answer before={base.samples[i]?.answer ?? ""} text={answer} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollArea>
  );
}
