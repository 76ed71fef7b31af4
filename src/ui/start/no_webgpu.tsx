import { MonitorX } from "lucide-react";
import { Link } from "wouter";
import { checkDevice, useApp } from "../../store/app.ts";
import { adviceFor } from "./advice.ts";

/** What to do for this browser, in place of a button that could not work. */
export function NoWebGpu() {
  const device = useApp((state) => state.device);
  const advice = adviceFor({ userAgent: navigator.userAgent, secure: isSecureContext });
  const checking = device.state === "loading";
  return (
    <section className="card advice" aria-labelledby="advice-title">
      <div className="row">
        <MonitorX size={20} aria-hidden className="warn-text" />
        <h2 id="advice-title">This browser cannot use your GPU yet</h2>
      </div>
      <p>
        Training needs WebGPU. What to do in <strong>{advice.browser}</strong>:
      </p>
      <ol className="advice-steps">
        {advice.steps.map((step) => (
          <li key={step}>{step}</li>
        ))}
      </ol>
      {device.state === "failed" && <p className="muted small">The browser says: {device.error.message}</p>}
      <div className="row wrap">
        <button
          type="button"
          className="button primary"
          disabled={checking}
          onClick={() => void checkDevice()}
        >
          {checking ? "Checking…" : "Check again"}
        </button>
        <Link href="/diagnostics" className="button">
          Open diagnostics
        </Link>
      </div>
      <p className="muted small">You can look at past runs and prepare a configuration without it.</p>
    </section>
  );
}
