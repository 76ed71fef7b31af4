import { checkDevice, notify, useApp } from "../../store/app.ts";
import { shown } from "../../store/failure.ts";
import { useHub } from "../../store/hub.ts";
import { useToken } from "../../store/hub_token.ts";
import { ErrorCard } from "../errors/error_card.tsx";
import { formatClock, plural } from "../format.ts";
import { saveText } from "../parts/save_file.ts";
import { browserLines, deviceLines, hubLines, type Line, reportText, storageLines } from "./report.ts";
import "../styles/diagnostics.css";

/** What the browser and the GPU can do, and what went wrong. */
export function DiagnosticsPage() {
  const device = useApp((state) => state.device);
  const storage = useApp((state) => shown(state.storage));
  const errors = useApp((state) => state.errors);
  const info = shown(device);
  const browser = browserLines({
    userAgent: navigator.userAgent,
    secure: isSecureContext,
    isolated: crossOriginIsolated,
    language: navigator.language,
  });
  const gpu = info ? deviceLines(info) : [];
  const stored = storage ? storageLines(storage) : [];
  const address = useHub((state) => state.address);
  const hasToken = useToken((state) => state.has);
  const hub = hubLines(address, hasToken);
  const report = () => reportText([...browser, ...gpu, ...stored, ...hub], errors, info);
  const copy = () =>
    void navigator.clipboard.writeText(report()).then(() => notify("The report was copied."));
  const save = () =>
    saveText(`diagnostics-${new Date().toISOString().slice(0, 10)}.json`, report(), "application/json");
  return (
    <div className="page stack diagnostics">
      <div className="row wrap between">
        <h1 className="page-title">Diagnostics</h1>
        <div className="row wrap">
          <button type="button" className="button" onClick={() => void checkDevice()}>
            Check again
          </button>
          <button type="button" className="button" onClick={save}>
            Download report
          </button>
          <button type="button" className="button primary" onClick={copy}>
            Copy report
          </button>
        </div>
      </div>
      <p className="muted small prose">
        The report has the lines below and the codes of errors. It has no prompts, no data and no file names.
      </p>
      {device.state === "failed" && <ErrorCard failure={device.error} />}
      {device.state === "loading" && info === null && <p className="muted">Asking the GPU…</p>}
      {gpu.length > 0 && <Lines title="GPU" lines={gpu} />}
      <Lines title="Browser" lines={browser} />
      {stored.length > 0 && <Lines title="Storage" lines={stored} />}
      <Lines title="Hub" lines={hub} />
      <section className="card stack tight" aria-labelledby="errors-title">
        <h2 id="errors-title">Errors of this visit</h2>
        {errors.length === 0 ? (
          <p className="muted">None.</p>
        ) : (
          <>
            <p className="muted small">{plural(errors.length, "error")}, newest last.</p>
            <ul className="stack tight">
              {errors.map(({ time, failure }, i) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: errors are only added.
                <li key={i} className="error-line">
                  <span className="muted">{formatClock(time)}</span> <code>{failure.code}</code>{" "}
                  {failure.message}
                </li>
              ))}
            </ul>
          </>
        )}
      </section>
    </div>
  );
}

function Lines({ title, lines }: { title: string; lines: readonly Line[] }) {
  return (
    <section className="card" aria-label={title}>
      <h2>{title}</h2>
      <dl className="facts-list">
        {lines.map(([name, value]) => (
          <div key={name}>
            <dt className="muted">{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
