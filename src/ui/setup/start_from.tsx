import { FolderOpen } from "lucide-react";
import { type ChangeEvent, useMemo, useRef } from "react";
import { shown } from "../../store/failure.ts";
import { methodIdOf, nameOf, useRuns } from "../../store/runs.ts";
import { settingOf, useSetup } from "../../store/setup.ts";
import { pickAdapter, pickAdapterFolder } from "../../store/setup_actions.ts";
import { offersFor, runOfName } from "../../store/start_from.ts";
import { formatCount, formatMetric, methodName, metricName } from "../format.ts";
import { useDataKind } from "./use_method.ts";

const FRESH = "";

/** What the run goes on from: the model alone, what an earlier run has learned, or a PEFT folder. */
export function StartFrom() {
  const runs = useRuns();
  const model = useSetup((state) => settingOf(shown(state.resolved), state.given, "model_name"));
  const value = useSetup((state) => settingOf(shown(state.resolved), state.given, "adapter_name_or_path"));
  const folder = useSetup((state) => state.files.adapterName);
  const kind = useDataKind();
  const offers = useMemo(
    () =>
      offersFor(
        runs.order.flatMap((id) => runs.runs[id] ?? []),
        model,
      ),
    [runs, model],
  );
  const chosen = typeof value === "string" ? value : FRESH;
  const known = chosen === FRESH || offers.some(({ name }) => name === chosen) || chosen === folder;
  const lost = runOfName(chosen) !== undefined;
  return (
    <div className="field">
      <label htmlFor="setting-adapter_name_or_path" className="field-label">
        Start from
      </label>
      <div className="row wrap">
        <select
          id="setting-adapter_name_or_path"
          className="select start-from"
          value={chosen}
          onChange={(event) => {
            if (event.target.value !== folder) pickAdapter(event.target.value || null);
          }}
        >
          <option value={FRESH}>The model as it is</option>
          {offers.map(({ name, run, step }) => (
            <option key={name} value={name}>
              {nameOf(run)} · {methodName(methodIdOf(run))}, step {formatCount(step)}
              {run.summary?.hero
                ? `, ${metricName(run.summary.hero.name).toLowerCase()} ${formatMetric(run.summary.hero.value)}`
                : ""}
            </option>
          ))}
          {folder !== undefined && <option value={folder}>{folder}, a folder of this device</option>}
          {!known && <option value={chosen}>{chosen}</option>}
        </select>
        <AdapterButton />
      </div>
      {!known && (
        <p className="warn-text small">
          {lost
            ? "This run is not stored here, or has kept no adapter of this model."
            : "This adapter is not on this page. Drop or choose its folder."}
        </p>
      )}
      <p className="muted small">{hintFor(kind, chosen !== FRESH)}</p>
    </div>
  );
}

function hintFor(kind: ReturnType<typeof useDataKind>, hasAdapter: boolean): string {
  if (hasAdapter)
    return "The run goes on with this adapter, with its rank and its layers. What it is compared with is the model with the adapter as it was found.";
  return kind === "examples"
    ? "A fresh adapter learns on top of the model."
    : "Usually a model learns from examples first, and from preferences or rewards on top of that.";
}

/** Offers a PEFT folder. The browser asks for leave to read it; nothing is sent. */
function AdapterButton() {
  const input = useRef<HTMLInputElement>(null);
  const onChange = (event: ChangeEvent<HTMLInputElement>) => {
    const files = [...(event.target.files ?? [])];
    event.target.value = "";
    const [first] = files;
    if (first) pickAdapterFolder(first.webkitRelativePath.split("/")[0] || "adapter", files);
  };
  return (
    <>
      <button type="button" className="button" onClick={() => input.current?.click()}>
        <FolderOpen size={16} aria-hidden />
        Choose an adapter folder…
      </button>
      <input
        ref={(element) => {
          input.current = element;
          element?.setAttribute("webkitdirectory", "");
        }}
        type="file"
        multiple
        hidden
        aria-label="Adapter folder"
        onChange={onChange}
      />
    </>
  );
}
