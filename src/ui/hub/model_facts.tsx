import { Info } from "lucide-react";
import { useId } from "react";
import { formatBytes } from "../../lib/format_bytes.ts";
import type { HubModelInfo } from "../../protocol/hub.ts";
import { EMPTY, shown } from "../../store/failure.ts";
import { hubHost, useHub } from "../../store/hub.ts";
import { useHubFacts } from "../../store/hub_facts.ts";
import { settingOf, useSetup } from "../../store/setup.ts";
import { pickModel, setSetting } from "../../store/setup_actions.ts";
import { ErrorCard } from "../errors/error_card.tsx";
import { AccessLabel } from "./access_label.tsx";
import { Outside } from "./hub_field.tsx";
import { alternativesTo, openInsteadOf, type SuggestedModel } from "./suggestions.ts";
import { downloadWords, licenceWords, pageOf, parameterWords, shortCommit } from "./words.ts";

/** What the hub says of the chosen model, before anything large is fetched. */
export function ModelFacts({ name }: { readonly name: string }) {
  const facts = useHubFacts((state) => (state.about.model === name ? state.model : EMPTY));
  const host = useHub(({ address }) => hubHost(address));
  if (facts.state === "failed")
    return (
      <div className="stack tight">
        <ErrorCard failure={facts.error} compact here />
        {facts.error.code === "access-denied" && (
          <div className="row wrap">
            <span className="muted small">Open to everyone:</span>
            <Alternatives models={openInsteadOf(name)} />
          </div>
        )}
      </div>
    );
  const info = shown(facts);
  return (
    <section className="hub-facts" aria-label={`About ${name}`} aria-busy={facts.state === "loading"}>
      {info === null ? (
        <p className="muted">
          {facts.state === "loading"
            ? `Asking ${host} about ${name}…`
            : `From ${host}. It is asked about it once the settings are right.`}
        </p>
      ) : (
        <Known info={info} />
      )}
      <Revision commit={info?.commit} />
    </section>
  );
}

function Known({ info }: { readonly info: HubModelInfo }) {
  const address = useHub((state) => state.address);
  const plan = useSetup((state) => shown(state.plan));
  const { supported } = info;
  return (
    <>
      <dl className="hub-facts-list">
        <div>
          <dt>Size</dt>
          <dd>{parameterWords(info.parameters)}</dd>
        </div>
        <div>
          <dt>Download</dt>
          <dd>{downloadWords(info)}</dd>
        </div>
        <div>
          <dt>Licence</dt>
          <dd>
            <Outside href={pageOf(address, "model", info.id)}>{licenceWords(info.licence)}</Outside>
          </dd>
        </div>
        <div>
          <dt>Access</dt>
          <dd>
            <AccessLabel gated={info.gated} private={info.private} />
          </dd>
        </div>
        {supported === null && (
          <div>
            <dt>GPU memory</dt>
            <dd>{plan ? `${formatBytes(plan.total)} with these settings` : "Worked out with the data"}</dd>
          </div>
        )}
      </dl>
      {supported !== null && <NotSupported {...supported} type={info.modelType} />}
    </>
  );
}

interface NotSupportedProps {
  readonly type: string | null;
  readonly reason: string;
  readonly nearest: readonly string[];
}

function NotSupported({ type, reason, nearest }: NotSupportedProps) {
  return (
    <div className="note warn">
      <Info size={16} aria-hidden className="note-icon" />
      <div className="stack tight">
        <p>
          <strong>{type === null ? "This cannot be trained here." : `${type} is not supported.`}</strong>{" "}
          {reason}
        </p>
        <div className="row wrap">
          <Alternatives models={alternativesTo(nearest)} />
        </div>
      </div>
    </div>
  );
}

const Alternatives = ({ models }: { readonly models: readonly SuggestedModel[] }) =>
  models.map(({ id, label }) => (
    <button key={id} type="button" className="button" title={id} onClick={() => pickModel(id)}>
      Use {label}
    </button>
  ));

/** Which version of the repository. A commit is always the same; a branch moves on. */
function Revision({ commit }: { readonly commit: string | undefined }) {
  const id = useId();
  const value = useSetup((state) => settingOf(shown(state.resolved), state.given, "model_revision"));
  const issue = useSetup(
    (state) => shown(state.resolved)?.issues.find(({ path }) => path === "model_revision")?.message,
  );
  return (
    <div className="row wrap">
      <label htmlFor={id} className="field-label hub-revision-label">
        Revision
      </label>
      <input
        id={id}
        className="input hub-revision"
        placeholder="main"
        spellCheck={false}
        autoComplete="off"
        autoCapitalize="off"
        value={typeof value === "string" ? value : ""}
        aria-invalid={issue !== undefined}
        aria-describedby={`${id}-note`}
        onChange={(event) => setSetting("model_revision", event.target.value.trim() || undefined)}
      />
      <span id={`${id}-note`} className={issue ? "field-issue" : "muted small"}>
        {issue ?? (commit ? `Commit ${shortCommit(commit)}` : "A branch, tag or commit")}
      </span>
    </div>
  );
}
