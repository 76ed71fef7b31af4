import { Check, Download } from "lucide-react";
import { useId, useState } from "react";
import { formatBytes } from "../../lib/format_bytes.ts";
import type { ExportDtype, ExportKind, ExportOption, ExportPlan } from "../../protocol/exports.ts";
import { notify } from "../../store/app.ts";
import { cancelExport, saveExport, useExport } from "../../store/exports.ts";
import { ErrorCard } from "../errors/error_card.tsx";
import { plural } from "../format.ts";
import { canPickTarget, pickTarget } from "../parts/pick_target.ts";
import { saveFile } from "../parts/save_file.ts";
import { ScrollArea } from "../parts/scroll_area.tsx";
import { Segmented } from "../parts/segmented.tsx";

const TITLES: Readonly<Record<ExportKind, readonly [title: string, about: string]>> = {
  adapter: [
    "Adapter (PEFT)",
    "What was learned, alone: small, for PEFT, vLLM and everything else that loads LoRA.",
  ],
  model: [
    "Model",
    "All weights as they were trained, for transformers and everything that reads its folders.",
  ],
  merged: [
    "Merged model",
    "The base with the adapter added into its weights: a model like any other, without PEFT.",
  ],
  gguf: ["Adapter for llama.cpp (GGUF)", "One file for --lora, beside the base model as GGUF."],
  cluster: [
    "For a cluster",
    "To go on elsewhere: AlignTune's configuration, a script for TRL with accelerate, and what was learned. It holds your data too: every row that is trained on or evaluated.",
  ],
};

/** Without a file to write to, a browser holds the whole download. */
const HELD_WHOLE = 2_000_000_000;
/** What is smaller goes where downloads go, without a question. */
const SMALL = 100_000_000;

interface CardProps {
  readonly option: ExportPlan["options"][number];
  readonly basePrecision: readonly string[];
}

export function ExportCard({ option, basePrecision }: CardProps) {
  const id = useId();
  const [title, about] = TITLES[option.kind];
  return (
    <section className="card stack tight" aria-labelledby={id}>
      <h3 id={id}>{title}</h3>
      <p className="muted">{about}</p>
      {option.possible ? (
        <Possible option={option} title={title} basePrecision={basePrecision} />
      ) : (
        <p>{option.why}</p>
      )}
    </section>
  );
}

interface PossibleProps {
  readonly option: ExportOption;
  readonly title: string;
  readonly basePrecision: readonly string[];
}

function Possible({ option, title, basePrecision }: PossibleProps) {
  const { kind, fileName, files, notes, snippet } = option;
  const [dtype, setDtype] = useState<ExportDtype>(kind === "model" ? "F32" : "stored");
  const { task, ended } = useExport();
  const bytes = option.bytesAs?.[dtype] ?? option.bytes;
  const asksWhere = option.bytesAs !== null || bytes > SMALL;
  const going = task?.kind === kind;
  const end = ended[kind];
  const save = async () => {
    const target = asksWhere ? await pickTarget(fileName) : null;
    if (target === undefined) return;
    const result = await saveExport(kind, dtype, target);
    if (result?.blob) saveFile({ fileName: result.fileName, blob: result.blob });
  };
  return (
    <>
      {option.bytesAs && (
        <Types kind={kind} dtype={dtype} basePrecision={basePrecision} onChange={setDtype} />
      )}
      {bytes > HELD_WHOLE && !canPickTarget() && (
        <p className="note warn">
          This browser hands over downloads whole, up to {formatBytes(HELD_WHOLE)}. Use Chrome or Edge, which
          write straight to a file, or the command line: npm run aligntune -- export.
        </p>
      )}
      <div className="row wrap">
        <button type="button" className="button" disabled={task !== null} onClick={() => void save()}>
          <Download size={16} aria-hidden />
          {going ? "Saving…" : "Save"}
          <span className="hidden"> {title}</span>
        </button>
        <span className="muted">
          {fileName} · {formatBytes(bytes)}
          {kind === "cluster" && " and the rows"}
        </span>
      </div>
      {going && <Going />}
      {end?.state === "saved" && (
        <p className="row good-text">
          <Check size={16} aria-hidden />
          {end.fileName} was saved and read back ({formatBytes(end.bytes)}).
        </p>
      )}
      {end?.state === "failed" && <ErrorCard failure={end.failure} compact here />}
      {notes.length > 0 && (
        <ul className="export-notes small">
          {notes.map((note) => (
            <li key={note}>{note}</li>
          ))}
        </ul>
      )}
      <FileTree files={files} />
      <Snippet title={title} {...snippet} />
    </>
  );
}

interface TypesProps {
  readonly kind: ExportKind;
  readonly dtype: ExportDtype;
  readonly basePrecision: readonly string[];
  readonly onChange: (dtype: ExportDtype) => void;
}

function Types({ kind, dtype, basePrecision, onChange }: TypesProps) {
  const types = [
    ...(kind === "merged"
      ? [{ value: "stored" as const, label: `As the base (${basePrecision.join(", ")})` }]
      : []),
    ...(["BF16", "F16", "F32"] as const).map((value) => ({ value, label: value })),
  ];
  return (
    <div className="stack tight">
      <div className="row">
        <Segmented label="Stored as" value={dtype} options={types} onChange={onChange} />
      </div>
      {kind === "merged" && (
        <p className="muted small">
          Added to the base's own {basePrecision.join(", ")} weights, never to a 4-bit copy, and rounded once.
        </p>
      )}
    </div>
  );
}

/** How far a saving or an upload is. */
export function Going() {
  const progress = useExport((state) => state.task?.progress);
  const share = progress && progress.total > 0 ? progress.done / progress.total : 0;
  return (
    <div className="row">
      <progress className="grow export-progress" max={1} value={share} aria-label="Progress of the export" />
      <span className="muted small">
        {progress ? `${progress.what}, ${formatBytes(progress.done)}` : "Preparing"}
      </span>
      <button type="button" className="button" onClick={cancelExport}>
        Cancel
      </button>
    </div>
  );
}

export function FileTree({ files }: { files: ExportOption["files"] }) {
  return (
    <details>
      <summary className="small">{plural(files.length, "file")}</summary>
      <ul className="export-files small">
        {files.map(({ name, bytes }) => (
          <li key={name} className="row between">
            <span className="mono ellipsis">{name}</span>
            <span className="muted nowrap">{bytes === null ? "known when saved" : formatBytes(bytes)}</span>
          </li>
        ))}
      </ul>
    </details>
  );
}

function Snippet({ title, language, text }: ExportOption["snippet"] & { readonly title: string }) {
  const copy = () => void navigator.clipboard.writeText(text).then(() => notify("The program was copied."));
  return (
    <details>
      <summary className="small">Use it ({language})</summary>
      <div className="stack tight">
        <ScrollArea className="code" label={`Program for: ${title}`}>
          <pre>{text}</pre>
        </ScrollArea>
        <div className="row">
          <button type="button" className="button" onClick={copy}>
            Copy<span className="hidden"> the program for: {title}</span>
          </button>
        </div>
      </div>
    </details>
  );
}
