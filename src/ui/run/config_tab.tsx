import { navigate } from "wouter/use-hash-location";
import { notify } from "../../store/app.ts";
import { openReview } from "../../store/review.ts";
import { type DownloadKind, downloadOf } from "../../store/run_actions.ts";
import { nameOf, type RunView } from "../../store/runs.ts";
import { saveFile } from "../parts/save_file.ts";
import { ScrollArea } from "../parts/scroll_area.tsx";

/** The configuration that ran, as it was frozen at the start. */
export function ConfigTab({ run }: { run: RunView }) {
  const yaml = run.configYaml;
  if (yaml === null) return <p className="muted">Reading the configuration…</p>;
  const download = async (kind: DownloadKind) => {
    const file = await downloadOf(run.id, kind);
    if (file) saveFile(file);
  };
  const copy = () =>
    void navigator.clipboard.writeText(yaml).then(() => notify("The configuration was copied."));
  const use = () => {
    navigate("/new");
    void openReview(`${nameOf(run)}-config.yaml`, yaml);
  };
  return (
    <div className="stack tight">
      <div className="row wrap">
        <button type="button" className="button" onClick={use}>
          Use as a template
        </button>
        <button type="button" className="button" onClick={copy}>
          Copy
        </button>
        <button type="button" className="button" onClick={() => void download("config")}>
          Download YAML
        </button>
        <button type="button" className="button" onClick={() => void download("metrics-csv")}>
          Metrics as CSV
        </button>
        <button type="button" className="button" onClick={() => void download("metrics-jsonl")}>
          Metrics as JSONL
        </button>
        {run.rolloutSteps.length > 0 && (
          <button type="button" className="button" onClick={() => void download("rollouts")}>
            Rollouts as JSONL
          </button>
        )}
      </div>
      <ScrollArea className="code config-text" label="Configuration of this run">
        <pre>{yaml}</pre>
      </ScrollArea>
    </div>
  );
}
