import { FileUp } from "lucide-react";
import { useState } from "react";
import { formatBytes } from "../../lib/format_bytes.ts";
import type { DataKind } from "../../protocol/catalog.ts";
import { useApp } from "../../store/app.ts";
import { type Failure, shown } from "../../store/failure.ts";
import { toAgree } from "../../store/hub.ts";
import { useHubFacts } from "../../store/hub_facts.ts";
import { settingOf, useSetup } from "../../store/setup.ts";
import { pickDataset, pickSample } from "../../store/setup_actions.ts";
import { agreeToDownload } from "../../store/setup_refresh.ts";
import { showSource, useSetupView } from "../../store/setup_view.ts";
import { ErrorCard } from "../errors/error_card.tsx";
import { formatCount, plural } from "../format.ts";
import { Arriving } from "../hub/arriving.tsx";
import { OpenButton } from "../import/open_button.tsx";
import { Segmented } from "../parts/segmented.tsx";
import { ColumnHead } from "./column_head.tsx";
import { DataProblems } from "./data_problems.tsx";
import { columnsOf, rolesGiven, statusOf, withMapping } from "./data_status.ts";
import { DataTable } from "./data_table.tsx";
import { Histogram } from "./histogram.tsx";
import { HubDataset } from "./hub_source.tsx";
import { MoreDatasets } from "./more_datasets.tsx";
import { pastedFile } from "./pasted.ts";
import { RenderedRow } from "./rendered_row.tsx";
import { useDataKind } from "./use_method.ts";

const DATA_FILES = ".jsonl,.ndjson,.json,.csv,.tsv,.txt,.parquet";

/** What the model learns from, and how it will see it. */
export function DataSection() {
  const file = useSetup((state) => state.files.dataset);
  const folder = useSetup((state) => state.files.dataFolder);
  const chosen = useSetupView((state) => state.source);
  const isOfHub = useHubFacts(({ dataset }) => dataset.state !== "empty");
  const source = chosen ?? ((file ?? folder) ? "file" : isOfHub ? "hub" : "sample");
  return (
    <section className="card setup-section" id="section-data" aria-labelledby="data-title" tabIndex={-1}>
      <div className="row wrap between">
        <h2 id="data-title">Data</h2>
        <Segmented
          label="Where the data comes from"
          value={source}
          onChange={showSource}
          options={[
            { value: "sample", label: "Sample" },
            { value: "file", label: "File" },
            { value: "paste", label: "Paste" },
            { value: "hub", label: "Hub" },
          ]}
        />
      </div>
      {source === "sample" && <Samples />}
      {source === "file" && <FileSource />}
      {source === "paste" && <PasteSource onDone={() => showSource("file")} />}
      {source === "hub" && <HubDataset />}
      <Preview />
      <MoreDatasets />
    </section>
  );
}

function Samples() {
  const catalog = useApp((state) => shown(state.catalog));
  const kind = useDataKind();
  const chosen = useSetup((state) => settingOf(shown(state.resolved), state.given, "dataset_name"));
  const samples = catalog?.datasets.filter(({ data }) => data === kind) ?? [];
  return (
    <div className="choice-list" role="radiogroup" aria-label="Sample data">
      {samples.map(({ id, label, summary, rows, bytes }) => (
        <label key={id} className={id === chosen ? "choice on" : "choice"}>
          <input type="radio" name="dataset" checked={id === chosen} onChange={() => pickSample(id)} />
          <span className="choice-text">
            <strong>{label}</strong>
            <span>{summary}</span>
            <span className="muted small">
              {plural(rows, "row")} · {formatBytes(bytes)}
            </span>
          </span>
        </label>
      ))}
    </div>
  );
}

function FileSource() {
  const { dataset: file, dataFolder: folder } = useSetup((state) => state.files);
  return (
    <div className="drop-box">
      {file && (
        <p>
          <strong>{file.name}</strong> <span className="muted">{formatBytes(file.size)}</span>
        </p>
      )}
      {folder && (
        <p>
          <strong>{folder.name.replace(/^\.\//, "")}</strong>{" "}
          <span className="muted">{folder.files.map(({ name }) => name).join(", ")}</span>
        </p>
      )}
      <OpenButton accept={DATA_FILES} id="choose-data-file" multiple>
        <FileUp size={16} aria-hidden />
        {file ? "Choose another file…" : "Choose a file…"}
      </OpenButton>
      <p className="muted small">
        Or drop one anywhere: JSONL, JSON, CSV, TSV, Parquet or text; or a folder of them, such as train.jsonl
        and test.jsonl. It is read in this tab and not uploaded.
      </p>
    </div>
  );
}

const EXAMPLE_ROW: Readonly<Record<DataKind, string>> = {
  examples: '{"prompt": "Which food does Tom like?", "completion": "Corn."}',
  pairs: '{"prompt": "Which food does Tom like?", "chosen": "Tom likes corn.", "rejected": "Corn."}',
  prompts: '{"prompt": "What is 17 plus 25?", "answer": "42"}',
};

function PasteSource({ onDone }: { onDone: () => void }) {
  const [text, setText] = useState("");
  const kind = useDataKind();
  const use = () => {
    pickDataset(pastedFile(text));
    onDone();
  };
  return (
    <div className="stack tight">
      <label htmlFor="pasted" className="field-label">
        Rows
      </label>
      <textarea
        id="pasted"
        className="textarea mono"
        rows={6}
        spellCheck={false}
        placeholder={EXAMPLE_ROW[kind]}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      <div className="row wrap">
        <button type="button" className="button" disabled={text.trim() === ""} onClick={use}>
          {text.trim() === "" ? "Paste some rows" : "Use these rows"}
        </button>
        <span className="muted small">JSON lines, a JSON list, CSV with a header line, or plain text.</span>
      </div>
    </div>
  );
}

/** Why the rows cannot be read; where the columns are known, their roles can be given all the same. */
function Unreadable({ failure }: { failure: Failure }) {
  const mapping = useSetup((state) => settingOf(shown(state.resolved), state.given, "column_mapping"));
  const columns = columnsOf(failure.details);
  const roles = rolesGiven(mapping, columns);
  return (
    <div className="stack">
      <ErrorCard failure={failure} compact here />
      {columns.length > 0 && (
        <fieldset className="stack tight">
          <legend className="field-label">What is each column?</legend>
          <div className="field-grid">
            {columns.map((column) => (
              <ColumnHead key={column} columns={columns} roles={roles} column={column} />
            ))}
          </div>
        </fieldset>
      )}
    </div>
  );
}

/** Data that is read only when a person says so. */
function LargeData() {
  const bytes = useSetup(({ download, agreed }) => {
    const plan = shown(download);
    return plan ? toAgree(plan, agreed) : 0;
  });
  if (bytes === 0) return null;
  return (
    <div className="note warn stack tight">
      <p>
        These rows are {formatBytes(bytes)}. They are fetched when you say so; max_samples under All settings
        reads only the first ones.
      </p>
      <div>
        <button type="button" className="button" onClick={agreeToDownload}>
          Download {formatBytes(bytes)} of data
        </button>
      </div>
    </div>
  );
}

/** What was read of the data. */
function Preview() {
  const preview = useSetup((state) => state.preview);
  const kind = useDataKind();
  const mapping = useSetup((state) => settingOf(shown(state.resolved), state.given, "column_mapping"));
  const read = shown(preview);
  const data = read && withMapping(read, mapping);
  if (preview.state === "failed") return <Unreadable failure={preview.error} />;
  if (preview.state === "empty") return <LargeData />;
  if (data === null)
    return (
      <div className="stack tight">
        <p className="muted">Reading the rows…</p>
        <Arriving />
        <div className="skeleton data-skeleton" />
      </div>
    );
  const status = statusOf(data, kind);
  const { train, validation, test } = data.splits;
  return (
    <div className="stack">
      <p className={status.ready ? "note good" : "note warn"}>{status.text}</p>
      <p className="muted small">
        {plural(data.rowCount, "row")}: {formatCount(train)} to train, {formatCount(validation)} to evaluate,{" "}
        {formatCount(test)} for a test
        {data.notes.length > 0 && ` · ${data.notes.join(" ")}`}
      </p>
      {data.sources.length > 0 && (
        <ul className="muted small">
          {data.sources.map(({ name, rows, taken, weight }, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a dataset is its place, and may come twice.
            <li key={i}>
              {name}: {formatCount(taken)} rows an epoch
              {weight !== 1 && ` of ${formatCount(rows)} (weight ${weight})`}
            </li>
          ))}
        </ul>
      )}
      <DataProblems data={data} />
      <DataTable data={data} />
      <RenderedRow />
      <Histogram lengths={data.lengths} />
    </div>
  );
}
