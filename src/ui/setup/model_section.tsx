import { FolderOpen } from "lucide-react";
import { type ChangeEvent, useRef } from "react";
import { formatBytes } from "../../lib/format_bytes.ts";
import { hubId } from "../../lib/hub.ts";
import { useApp } from "../../store/app.ts";
import { shown } from "../../store/failure.ts";
import { settingOf, useSetup } from "../../store/setup.ts";
import { pickModel, pickModelFolder } from "../../store/setup_actions.ts";
import { formatCompact, plural } from "../format.ts";
import { ModelFacts } from "../hub/model_facts.tsx";
import { HubModel } from "./hub_source.tsx";
import { StartFrom } from "./start_from.tsx";

/** What is trained: a model that comes with the page, one of the hub, or a folder of this device. */
export function ModelSection() {
  const catalog = useApp((state) => shown(state.catalog));
  const chosen = useSetup((state) => settingOf(shown(state.resolved), state.given, "model_name"));
  const folder = useSetup((state) => state.files.model);
  const models = catalog?.models ?? [];
  const known = models.some(({ id }) => id === chosen);
  const isOfHub = typeof chosen === "string" && !known && !folder && hubId(chosen) !== undefined;
  return (
    <section className="card setup-section" id="section-model" aria-labelledby="model-title" tabIndex={-1}>
      <h2 id="model-title">Model</h2>
      <div className="choice-list" role="radiogroup" aria-labelledby="model-title">
        {models.map(({ id, label, summary, parameters, bytes, licence }) => (
          <label key={id} className={id === chosen ? "choice on" : "choice"}>
            <input type="radio" name="model" checked={id === chosen} onChange={() => pickModel(id)} />
            <span className="choice-text">
              <strong>{label}</strong>
              <span>{summary}</span>
              <span className="muted small">
                {formatCompact(parameters)} parameters · {formatBytes(bytes)} · {licence}
              </span>
            </span>
          </label>
        ))}
        {typeof chosen === "string" && chosen !== "" && !known && (
          <label className="choice on">
            <input type="radio" name="model" checked readOnly />
            <span className="choice-text">
              <strong>{chosen}</strong>
              <span className={folder || isOfHub ? "muted" : "warn-text"}>
                {folder
                  ? `${plural(folder.length, "file")}, ${formatBytes(folder.reduce((sum, { size }) => sum + size, 0))}, read from this device`
                  : isOfHub
                    ? "From the hub. What it says of the model stands below."
                    : "This model is not on this page. Drop or choose its folder."}
              </span>
            </span>
          </label>
        )}
      </div>
      {isOfHub && <ModelFacts name={chosen} />}
      <FolderButton />
      <HubModel chosen={chosen} />
      <StartFrom />
    </section>
  );
}

/** Offers a folder of the standard layout. The browser asks for leave to read it; nothing is sent. */
function FolderButton() {
  const input = useRef<HTMLInputElement>(null);
  const onChange = (event: ChangeEvent<HTMLInputElement>) => {
    const files = [...(event.target.files ?? [])];
    event.target.value = "";
    const [first] = files;
    if (first) pickModelFolder(first.webkitRelativePath.split("/")[0] || "model", files);
  };
  return (
    <div className="row wrap">
      <button
        type="button"
        id="choose-model-folder"
        className="button"
        onClick={() => input.current?.click()}
      >
        <FolderOpen size={16} aria-hidden />
        Choose a model folder…
      </button>
      <span className="muted small">
        config.json, tokenizer files and safetensors. Read here, not uploaded.
      </span>
      <input
        ref={(element) => {
          input.current = element;
          element?.setAttribute("webkitdirectory", "");
        }}
        type="file"
        multiple
        hidden
        aria-label="Model folder"
        onChange={onChange}
      />
    </div>
  );
}
