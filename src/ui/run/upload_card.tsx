import { Check } from "lucide-react";
import { type FormEvent, useId, useState } from "react";
import { HUB_ENDPOINT, hubAddress } from "../../lib/hub.ts";
import type { ExportOption } from "../../protocol/exports.ts";
import { uploadRun, useExport } from "../../store/exports.ts";
import { ErrorCard } from "../errors/error_card.tsx";
import { FileTree, Going } from "./export_card.tsx";

interface UploadProps {
  readonly files: ExportOption["files"];
  readonly repository: string;
}

/** Off until it is opened and pressed. The token lives in this form, and is emptied when it was used. */
export function UploadCard({ files, repository }: UploadProps) {
  return (
    <section className="card stack tight" aria-labelledby="export-upload">
      <h3 id="export-upload">Upload to Hugging Face</h3>
      <p className="muted">
        Off unless you press Upload below. The repository is private unless you say otherwise.
      </p>
      <details>
        <summary>Upload this run…</summary>
        <UploadForm files={files} repository={repository} />
      </details>
    </section>
  );
}

function UploadForm({ files, repository }: UploadProps) {
  const id = useId();
  const [token, setToken] = useState("");
  const [repo, setRepo] = useState(repository);
  const [isPublic, setPublic] = useState(false);
  const [intoExisting, setExisting] = useState(false);
  const [endpoint, setEndpoint] = useState(HUB_ENDPOINT);
  const { task, ended } = useExport();
  const end = ended.upload;
  const upload = async (event: FormEvent) => {
    event.preventDefault();
    setToken("");
    await uploadRun({ token, repo: repo.trim(), isPublic, intoExisting, endpoint: endpoint.trim() });
  };
  const place = `${hubAddress(endpoint) ?? endpoint}/${repo.includes("/") ? "" : "your account/"}${repo}`;
  return (
    <form className="stack tight" onSubmit={(event) => void upload(event)}>
      <div className="field-grid">
        <TextField id={`${id}-repo`} label="Repository" value={repo} onChange={setRepo} />
        <TextField id={`${id}-endpoint`} label="Hub" value={endpoint} onChange={setEndpoint} />
        <div className="field">
          <label htmlFor={`${id}-token`} className="field-label">
            Token with write access
          </label>
          <input
            id={`${id}-token`}
            className="input"
            type="password"
            autoComplete="off"
            spellCheck={false}
            placeholder="hf_…"
            aria-describedby={`${id}-token-note`}
            value={token}
            onChange={(event) => setToken(event.target.value)}
          />
          <span id={`${id}-token-note`} className="muted small">
            Sent to this hub alone, and forgotten after the upload.
          </span>
        </div>
      </div>
      <label className="check">
        <input type="checkbox" checked={isPublic} onChange={() => setPublic(!isPublic)} />
        Public: everybody can see and download it
      </label>
      <label className="check">
        <input type="checkbox" checked={intoExisting} onChange={() => setExisting(!intoExisting)} />
        Add a commit if the repository is there already
      </label>
      <p>
        These files go to <span className="mono">{place}</span>. No data, no answers and no checkpoints.
      </p>
      <FileTree files={files} />
      <div className="row">
        <button
          type="submit"
          className="button"
          disabled={task !== null || token.trim() === "" || repo.trim() === ""}
        >
          {task?.kind === "upload" ? "Uploading…" : "Upload"}
        </button>
      </div>
      {task?.kind === "upload" && <Going />}
      {end?.state === "uploaded" && (
        <p className="row good-text">
          <Check size={16} aria-hidden />
          <span>
            Uploaded to{" "}
            <a href={end.url} target="_blank" rel="noreferrer">
              {end.repo}
            </a>
            .
          </span>
        </p>
      )}
      {end?.state === "failed" && <ErrorCard failure={end.failure} compact here />}
    </form>
  );
}

interface TextFieldProps {
  readonly id: string;
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
}

function TextField({ id, label, value, onChange }: TextFieldProps) {
  return (
    <div className="field">
      <label htmlFor={id} className="field-label">
        {label}
      </label>
      <input
        id={id}
        className="input"
        autoComplete="off"
        spellCheck={false}
        value={value}
        onChange={(event) => onChange(event.target.value)}
      />
    </div>
  );
}
