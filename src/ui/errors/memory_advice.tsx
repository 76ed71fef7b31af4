import { useEffect, useState } from "react";
import { navigate } from "wouter/use-hash-location";
import { formatBytes } from "../../lib/format_bytes.ts";
import type { MemoryAdvice } from "../../protocol/setup.ts";
import { noteError } from "../../store/app.ts";
import { EMPTY, type Loadable, loadingFrom, shown } from "../../store/failure.ts";
import { askForAdvice, takeAdvice } from "../../store/memory_advice.ts";
import "../styles/memory.css";

/** Ways to make a run smaller, the least harm first: each applies itself. `about` changes when they have to be asked for anew. */
export function MemoryAdviceList({ runId, about }: { readonly runId?: string; readonly about?: unknown }) {
  const [advice, setAdvice] = useState<Loadable<readonly MemoryAdvice[]>>(EMPTY);
  // biome-ignore lint/correctness/useExhaustiveDependencies: what it is about is asked of the store.
  useEffect(() => {
    let gone = false;
    setAdvice(loadingFrom);
    askForAdvice(runId).then(
      (value) => gone || setAdvice({ state: "ready", value }),
      (error: unknown) => gone || setAdvice({ state: "failed", error: noteError(error) }),
    );
    return () => {
      gone = true;
    };
  }, [runId, about]);
  if (advice.state === "failed")
    return <p className="small muted">What would help could not be worked out: {advice.error.message}</p>;
  const list = shown(advice);
  if (!list) return <p className="small muted">Working out what would help…</p>;
  const take = async (one: MemoryAdvice) => {
    await takeAdvice(one, runId);
    if (runId !== undefined) navigate("/new");
    if (Object.keys(one.change).length === 0) return focusOn("section-model", "start");
    // What was pressed is not in the next list; a keyboard goes on from here.
    focusOn("section-memory", "nearest");
  };
  return (
    <section
      className="stack tight"
      aria-label="What would make it fit"
      aria-busy={advice.state === "loading"}
    >
      <h3>What would help, the least harm first</h3>
      <ul className="advice-list small">
        {list.map((one) => (
          <li key={one.label}>
            <button type="button" className="button" onClick={() => void take(one)}>
              {one.label}
            </button>
            <span>
              {one.bytes !== null && (
                <strong className={one.fits === true ? "good-text" : ""}>
                  {formatBytes(one.bytes)}
                  {one.fits === true ? ", fits" : one.fits === false ? ", not yet enough" : ""}.{" "}
                </strong>
              )}
              <span className="muted">{one.harm}</span>
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** The setup page may have to be drawn first. */
function focusOn(id: string, block: "start" | "nearest"): void {
  requestAnimationFrame(() => {
    const section = document.getElementById(id);
    section?.scrollIntoView({ block });
    section?.focus({ preventScroll: true });
  });
}
