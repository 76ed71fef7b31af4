import { useEffect, useState } from "react";
import { useLocation } from "wouter";
import { continueRun, pauseRun, stepRun } from "../../store/run_actions.ts";
import { currentRun, useRuns } from "../../store/runs.ts";
import { Dialog } from "../parts/dialog.tsx";

const KEYS: readonly (readonly [string, string])[] = [
  ["Space", "Pause the run, or go on"],
  [".", "One step of a paused run"],
  ["C", "Chat with the run that is open"],
  ["/", "Search the settings"],
  ["?", "Show these keys"],
  ["Ctrl or ⌘ + Enter", "Start training, on New run"],
  ["Ctrl or ⌘ + S", "Export the configuration, on New run"],
];

const KEPT = "aligntune.keys";
const isOn = (): boolean => {
  try {
    return localStorage.getItem(KEPT) !== "off";
  } catch {
    return true;
  }
};

const FIELDS = "input, textarea, select, button, a, summary, dialog, [contenteditable], [role=tab]";
const inField = (target: EventTarget | null): boolean =>
  target instanceof Element && target.closest(FIELDS) !== null;

function togglePause(): void {
  const run = currentRun(useRuns.getState());
  if (run?.status.state === "running") void pauseRun(run.id);
  else if (run?.status.state === "paused") void continueRun(run.id);
}

function step(): void {
  const run = currentRun(useRuns.getState());
  if (run?.status.state === "paused") void stepRun(run.id);
}

/** Single keys, when no field has the focus; they can be turned off. */
export function ShortcutsDialog() {
  const [open, setOpen] = useState(false);
  const [on, setOn] = useState(isOn);
  const [path, go] = useLocation();
  useEffect(() => {
    if (!on) return;
    const actions: Record<string, () => void> = {
      " ": togglePause,
      ".": step,
      c: () => go(/^\/run\/(.+)/.test(path) ? path.replace("/run/", "/chat/") : "/chat"),
      "/": () => document.querySelector<HTMLInputElement>("[data-search]")?.focus(),
      "?": () => setOpen(true),
    };
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || inField(event.target)) return;
      const act = actions[event.key.toLowerCase()];
      if (!act) return;
      event.preventDefault();
      act();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [on, path, go]);

  const toggle = () => {
    try {
      localStorage.setItem(KEPT, on ? "off" : "on");
    } catch {
      // The choice then holds for this visit.
    }
    setOn(!on);
  };
  return (
    <Dialog title="Keyboard" open={open} onClose={() => setOpen(false)}>
      <dl className="keys">
        {KEYS.map(([key, what]) => (
          <div key={key} className="row between">
            <dt>{what}</dt>
            <dd>
              <kbd>{key}</kbd>
            </dd>
          </div>
        ))}
      </dl>
      <label className="check">
        <input type="checkbox" checked={on} onChange={toggle} />
        Single keys are on
      </label>
    </Dialog>
  );
}
