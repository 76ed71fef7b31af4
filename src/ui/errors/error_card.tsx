import { TriangleAlert } from "lucide-react";
import { navigate } from "wouter/use-hash-location";
import { openAccess } from "../../store/access.ts";
import { checkDevice, setTrouble } from "../../store/app.ts";
import { type Failure, shown } from "../../store/failure.ts";
import { openAddress } from "../../store/hub.ts";
import { resumeRun } from "../../store/run_actions.ts";
import { stepOf, useRuns } from "../../store/runs.ts";
import { plainValues, useSetup } from "../../store/setup.ts";
import { setSetting, startSetup, takeSettingsOf } from "../../store/setup_actions.ts";
import { retryHub } from "../../store/setup_refresh.ts";
import { ScrollArea } from "../parts/scroll_area.tsx";
import { changedSettings } from "./change_settings.ts";
import { chooseInstead } from "./choose_instead.ts";
import { MemoryAdviceList } from "./memory_advice.tsx";
import { RetryButton } from "./retry_button.tsx";
import { type Fix, type SettingsChange, wantedOf, wordsFor } from "./table.ts";

interface ErrorCardProps {
  readonly failure: Failure;
  /** The run that it is about, for fixes that go on with it. */
  readonly runId?: string;
  /** Says it louder than the table when the place knows better. */
  readonly title?: string;
  readonly compact?: boolean;
  /** It stands beside what has to change: no button that leads there. */
  readonly here?: boolean;
}

/** The settings of the run that failed, or those being set up, with what the fix changes. */
async function toSettings(change: SettingsChange | undefined, runId: string | undefined): Promise<void> {
  if (runId !== undefined) await takeSettingsOf(runId);
  const { given, resolved } = useSetup.getState();
  const now = shown(resolved);
  const values = { ...(runId === undefined && now ? plainValues(now) : {}), ...given };
  for (const [key, value] of Object.entries(changedSettings(change, values))) setSetting(key, value);
}

/**
 * The same again: a run goes on from its last checkpoint, one that never began starts anew with what has arrived, and
 * what the setup wanted of the hub is asked for.
 */
async function tryAgain(failure: Failure, runId: string | undefined, unkept = false): Promise<void> {
  const run = runId === undefined ? undefined : useRuns.getState().runs[runId];
  if (run === undefined && failure !== useSetup.getState().refused) return retryHub();
  if (run !== undefined && stepOf(run) > 0) return resumeRun(run.id, null, unkept);
  // The setup may hold other settings by now than those that failed.
  if (run !== undefined) await takeSettingsOf(run.id);
  const id = await startSetup(unkept);
  navigate(id === undefined ? "/new" : `/run/${id}`);
}

function act(fix: Fix, failure: Failure, runId: string | undefined): void {
  switch (fix.kind) {
    case "reload":
      location.reload();
      break;
    case "check-device":
      void checkDevice();
      break;
    case "settings":
      void toSettings(fix.change, runId).then(() => navigate("/new"));
      break;
    case "resume":
      setTrouble(null);
      if (runId) void resumeRun(runId, null);
      break;
    case "runs":
      navigate("/runs");
      break;
    case "library":
      navigate("/library");
      break;
    case "retry":
      void tryAgain(failure, runId);
      break;
    case "unkept":
      void tryAgain(failure, runId, true);
      break;
    case "mirror":
      openAddress();
      break;
    case "file":
      chooseInstead(fix.of);
      break;
    case "access": {
      const wanted = wantedOf(failure);
      if (wanted) openAccess(wanted, failure);
      break;
    }
    case "diagnostics":
      navigate("/diagnostics");
      break;
  }
}

/** What happened, why, what to do: one look for every error, in the place where it happened. */
export function ErrorCard({ failure, runId, title, compact = false, here = false }: ErrorCardProps) {
  const isRefused = useSetup(({ refused }) => refused === failure);
  const text = wordsFor(failure);
  const fixes = text.fixes.filter(
    (fix) =>
      (fix.kind !== "resume" || runId !== undefined) &&
      (fix.kind !== "access" || wantedOf(failure) !== null) &&
      ((fix.kind !== "retry" && fix.kind !== "unkept") || runId !== undefined || here || isRefused) &&
      !(here && fix.kind === "settings"),
  );
  const details = [failure.code, failure.message, JSON.stringify(failure.details, null, 2), failure.stack];
  return (
    <section className={compact ? "error-card compact" : "error-card"} role="alert">
      <TriangleAlert size={20} aria-hidden className="error-icon" />
      <div className="error-content">
        <h2>{title ?? text.title}</h2>
        <p className="error-cause">{failure.code === "internal" ? text.advice : failure.message}</p>
        {failure.code !== "internal" && <p className="muted">{text.advice}</p>}
        {failure.code === "gpu-out-of-memory" && (
          <MemoryAdviceList about={failure} {...(runId === undefined ? {} : { runId })} />
        )}
        {fixes.length > 0 && (
          <div className="row wrap">
            {fixes.map((fix) =>
              fix.kind === "retry" ? (
                <RetryButton
                  key={`${fix.label} ${failure.message}`}
                  label={fix.label}
                  {...(fix.seconds !== undefined && { seconds: fix.seconds })}
                  onRetry={() => act(fix, failure, runId)}
                />
              ) : (
                <button
                  key={fix.label}
                  type="button"
                  className="button"
                  onClick={() => act(fix, failure, runId)}
                >
                  {fix.label}
                </button>
              ),
            )}
          </div>
        )}
        <details>
          <summary>Details</summary>
          <ScrollArea className="code" label="Details of the error">
            <pre>{details.filter(Boolean).join("\n\n")}</pre>
          </ScrollArea>
        </details>
      </div>
    </section>
  );
}
