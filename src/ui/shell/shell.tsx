import { lazy, type ReactNode, Suspense, useEffect, useRef } from "react";
import { useLocation } from "wouter";
import { useAccess } from "../../store/access.ts";
import { useApp } from "../../store/app.ts";
import { useHub } from "../../store/hub.ts";
import { currentRun, useRuns } from "../../store/runs.ts";
import { ErrorBoundary } from "../errors/boundary.tsx";
import { ErrorCard } from "../errors/error_card.tsx";
import { ReviewDialog } from "../import/review_dialog.tsx";
import { Navigation } from "./navigation.tsx";
import { Notice } from "./notice.tsx";
import { ShortcutsDialog } from "./shortcuts.tsx";
import { TopStrip } from "./top_strip.tsx";

const Dialogs = lazy(async () => ({ default: (await import("../hub/dialogs.tsx")).HubDialogs }));

/** The frame round every screen: where one can go, what is going on, what the page says. */
export function Shell({ children }: { children: ReactNode }) {
  const [path] = useLocation();
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  // A new screen begins at its top, for eyes and for screen readers.
  useEffect(() => {
    if (path === "") return;
    if (first.current) {
      first.current = false;
      return;
    }
    main.current?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }, [path]);
  const skip = () => main.current?.focus();

  return (
    <div className="shell">
      <button type="button" className="skip-link button primary" onClick={skip}>
        Skip to the content
      </button>
      <Navigation />
      <TopStrip />
      <main ref={main} tabIndex={-1} className="main">
        <Trouble />
        {children}
      </main>
      <ErrorBoundary>
        <ReviewDialog />
      </ErrorBoundary>
      <ShortcutsDialog />
      <OpenHubDialogs />
      <Notice />
    </div>
  );
}

/** Loaded when one is opened first, and there from then on. */
function OpenHubDialogs() {
  const choosing = useHub((state) => state.choosing);
  const wanted = useAccess((state) => state.wanted !== null);
  const wasOpen = useRef(false);
  wasOpen.current ||= choosing || wanted;
  if (!wasOpen.current) return null;
  return (
    <ErrorBoundary>
      <Suspense>
        <Dialogs />
      </Suspense>
    </ErrorBoundary>
  );
}

/** The worker or the device is gone: said above every screen. */
function Trouble() {
  const trouble = useApp((state) => state.trouble);
  const run = useRuns(currentRun);
  if (!trouble) return null;
  return (
    <div className="page trouble">
      <ErrorCard failure={trouble} {...(run ? { runId: run.id } : {})} />
    </div>
  );
}
