import { Check, Download, MessagesSquare } from "lucide-react";
import { useState } from "react";
import { Link } from "wouter";
import { navigate } from "wouter/use-hash-location";
import { downloadOf } from "../../store/run_actions.ts";
import { type RunView, stepOf } from "../../store/runs.ts";
import { newSetup } from "../../store/setup_actions.ts";
import { formatMetric, plural } from "../format.ts";
import { saveFile } from "../parts/save_file.ts";
import { ScrollArea } from "../parts/scroll_area.tsx";
import { lossBeforeAfter } from "./coach.ts";
import { Answer } from "./samples.tsx";

interface DoneCardProps {
  readonly run: RunView;
  readonly stoppedEarly: boolean;
  readonly reason: string | null;
}

function sentence(run: RunView, stoppedEarly: boolean): string {
  const loss = lossBeforeAfter(run.rows);
  const steps = plural(stepOf(run), "step");
  const start = stoppedEarly ? "Stopped and kept." : "Done.";
  if (!loss) return `${start} ${steps} were made.`;
  const verb = loss.after < loss.before ? "fell" : "went";
  return `${start} Loss ${verb} from ${formatMetric(loss.before)} to ${formatMetric(loss.after)} in ${steps}.`;
}

/** What was reached, what has changed, and what comes next. */
export function DoneCard({ run, stoppedEarly, reason }: DoneCardProps) {
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
        <h2 id="done-title">{sentence(run, stoppedEarly)}</h2>
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
