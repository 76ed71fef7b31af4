import { useId, useState } from "react";
import { formatBytes } from "../../lib/format_bytes.ts";
import type { HubReference } from "../../lib/hub.ts";
import type { HubDatasetInfo, HubSubset } from "../../protocol/hub.ts";
import { EMPTY, shown } from "../../store/failure.ts";
import { hubHost, useHub } from "../../store/hub.ts";
import { useHubFacts } from "../../store/hub_facts.ts";
import { nameWith } from "../../store/hub_reference.ts";
import { settingOf, useSetup } from "../../store/setup.ts";
import { pickHubDataset, pickModel, setSetting } from "../../store/setup_actions.ts";
import { showSource } from "../../store/setup_view.ts";
import { ErrorCard } from "../errors/error_card.tsx";
import { AccessLabel } from "../hub/access_label.tsx";
import { HubField, Outside, QuickPicks } from "../hub/hub_field.tsx";
import { HubNote } from "../hub/hub_note.tsx";
import { DATASETS, MODELS } from "../hub/suggestions.ts";
import { licenceWords, pageOf, shortCommit } from "../hub/words.ts";
import { joinSplit, readSlice, splitParts } from "./split_text.ts";
import { useDataKind } from "./use_method.ts";

/** Models and data by their names on a hub. */

function takeReference({ kind, id, revision }: HubReference): void {
  if (kind === "model") pickModel(id, revision);
  else {
    showSource("hub");
    pickHubDataset(nameWith(id, revision));
  }
  document.getElementById(kind === "model" ? "section-model" : "section-data")?.focus();
}

export function HubModel({ chosen }: { readonly chosen: unknown }) {
  return (
    <div className="stack tight hub-source">
      <HubField
        kind="model"
        label="Or a model of the hub"
        action="Use this model"
        placeholder="Qwen/Qwen3-0.6B, or its address"
        onUse={pickModel}
        onOther={takeReference}
      />
      <QuickPicks
        label="Known to work here, with the size of the download"
        picks={MODELS}
        chosen={chosen}
        onPick={pickModel}
      />
      <HubNote />
    </div>
  );
}

export function HubDataset() {
  const kind = useDataKind();
  const chosen = useSetup((state) => settingOf(shown(state.resolved), state.given, "dataset_name"));
  const picks = DATASETS.filter(({ data }) => data.includes(kind)).map((set) => ({ ...set, label: set.id }));
  const isNamed = useHubFacts(({ dataset }) => dataset.state !== "empty");
  return (
    <div className="stack tight hub-source">
      <HubField
        kind="dataset"
        label="Dataset of the hub"
        action="Use this dataset"
        placeholder="openai/gsm8k, or its address"
        onUse={(name, revision) => pickHubDataset(nameWith(name, revision))}
        onOther={takeReference}
      />
      <QuickPicks
        label="Often used with this method, with the size of the download"
        picks={picks}
        chosen={chosen}
        onPick={(id) => pickHubDataset(id, picks.find((pick) => pick.id === id)?.subset)}
      />
      <HubNote />
      {isNamed && typeof chosen === "string" && <DatasetFacts name={chosen} />}
    </div>
  );
}

/** What the hub says of the chosen dataset. */
function DatasetFacts({ name }: { readonly name: string }) {
  const facts = useHubFacts((state) => (state.about.dataset === name ? state.dataset : EMPTY));
  const host = useHub(({ address }) => hubHost(address));
  if (facts.state === "failed") return <ErrorCard failure={facts.error} compact here />;
  const info = shown(facts);
  return (
    <section className="hub-facts card" aria-label={`About ${name}`} aria-busy={facts.state === "loading"}>
      <h3 className="hub-facts-name">{name}</h3>
      {info === null ? (
        <p className="muted">
          {facts.state === "loading"
            ? `Asking ${host} about ${name}…`
            : `From ${host}. It is asked about it once the settings are right.`}
        </p>
      ) : (
        <Known info={info} />
      )}
    </section>
  );
}

function Known({ info }: { readonly info: HubDatasetInfo }) {
  const address = useHub((state) => state.address);
  return (
    <>
      <dl className="hub-facts-list">
        <div>
          <dt>Licence</dt>
          <dd>
            <Outside href={pageOf(address, "dataset", info.id)}>{licenceWords(info.licence)}</Outside>
          </dd>
        </div>
        <div>
          <dt>Access</dt>
          <dd>
            <AccessLabel gated={info.gated} private={info.private} />
          </dd>
        </div>
        <div>
          <dt>Version</dt>
          <dd>Commit {shortCommit(info.commit)}</dd>
        </div>
      </dl>
      <Parts info={info} />
    </>
  );
}

const sizeOf = (split: HubSubset["splits"][number]): string =>
  split.bytes === null ? "" : ` · ${formatBytes(split.bytes)}`;

/** Which subset and split are read, and which of its rows. */
function Parts({ info }: { readonly info: HubDatasetInfo }) {
  const id = useId();
  const given = useSetup((state) => settingOf(shown(state.resolved), state.given, "config_name"));
  const split = useSetup((state) => settingOf(shown(state.resolved), state.given, "split"));
  const subsetName = typeof given === "string" && given !== "" ? given : (info.defaultSubset ?? "");
  const subset = info.subsets.find(({ name }) => name === subsetName);
  const { name, slice } = splitParts(typeof split === "string" ? split : "");
  const splits = subset?.splits ?? [];
  const isSplit = splits.some((other) => other.name === name);
  return (
    <div className="field-grid">
      <div className="field">
        <label htmlFor={`${id}-subset`} className="field-label">
          Subset
        </label>
        <select
          id={`${id}-subset`}
          className="select"
          value={subset ? subsetName : ""}
          onChange={(event) => setSetting("config_name", event.target.value)}
        >
          {!subset && <option value="">Choose a subset…</option>}
          {info.subsets.map((one) => (
            <option key={one.name} value={one.name}>
              {one.name}
            </option>
          ))}
        </select>
      </div>
      <div className="field">
        <label htmlFor={`${id}-split`} className="field-label">
          Split
        </label>
        <select
          id={`${id}-split`}
          className="select"
          value={isSplit ? name : ""}
          disabled={splits.length === 0}
          onChange={(event) => setSetting("split", joinSplit({ name: event.target.value, slice }))}
        >
          {!isSplit && (
            <option value="">{splits.length === 0 ? "Choose the subset first" : "Choose a split…"}</option>
          )}
          {splits.map((one) => (
            <option key={one.name} value={one.name}>
              {one.name}
              {sizeOf(one)}
            </option>
          ))}
        </select>
      </div>
      <Slice id={`${id}-slice`} name={name} slice={slice} />
    </div>
  );
}

interface SliceProps {
  readonly id: string;
  readonly name: string;
  readonly slice: string;
}

/** The rows of the split that are used. */
function Slice({ id, name, slice }: SliceProps) {
  const [text, setText] = useState<string | null>(null);
  const read = text === null ? slice : readSlice(text);
  const commit = () => {
    if (text === null || read === null) return;
    setText(null);
    if (read !== slice) setSetting("split", joinSplit({ name, slice: read }));
  };
  return (
    <div className="field">
      <label htmlFor={id} className="field-label">
        Rows
      </label>
      <input
        id={id}
        className="input"
        placeholder="All of them"
        spellCheck={false}
        autoComplete="off"
        value={text ?? slice}
        aria-invalid={read === null}
        aria-describedby={`${id}-note`}
        onChange={(event) => setText(event.target.value)}
        onBlur={commit}
        onKeyDown={(event) => event.key === "Enter" && commit()}
      />
      <p id={`${id}-note`} className={read === null ? "field-issue" : "muted small"}>
        {read === null
          ? "Rows are cut as in :100, 50: or 10%:20%."
          : `:100 are the first hundred: ${joinSplit({ name: name || "train", slice: ":100" })}`}
      </p>
    </div>
  );
}
