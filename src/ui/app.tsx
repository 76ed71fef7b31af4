import { lazy, Suspense } from "react";
import { Route, Router, Switch } from "wouter";
import { useHashLocation } from "wouter/use-hash-location";
import { ErrorBoundary } from "./errors/boundary.tsx";
import { DropZone } from "./import/drop_zone.tsx";
import { RunPage } from "./run/run_page.tsx";
import { NotFound } from "./shell/not_found.tsx";
import { Shell } from "./shell/shell.tsx";
import { StartPage } from "./start/start_page.tsx";

const SetupPage = lazy(async () => ({ default: (await import("./setup/setup_page.tsx")).SetupPage }));
const RunsPage = lazy(async () => ({ default: (await import("./runs/runs_page.tsx")).RunsPage }));
const ChatPage = lazy(async () => ({ default: (await import("./chat/chat_page.tsx")).ChatPage }));
const DiagnosticsPage = lazy(async () => ({
  default: (await import("./diagnostics/diagnostics_page.tsx")).DiagnosticsPage,
}));

const LibraryPage = lazy(async () => ({
  default: (await import("./library/library_page.tsx")).LibraryPage,
}));

/** The page: a frame, and one screen in it by the address behind the hash. */
export function App() {
  return (
    <Router hook={useHashLocation}>
      <Shell>
        <ErrorBoundary>
          <Suspense fallback={<p className="page muted">Opening…</p>}>
            <Switch>
              <Route path="/" component={StartPage} />
              <Route path="/new" component={SetupPage} />
              <Route path="/run/:id">{({ id }) => <RunPage key={id} id={id} />}</Route>
              <Route path="/runs" component={RunsPage} />
              <Route path="/chat/:id?">{({ id }) => <ChatPage id={id ?? null} />}</Route>
              <Route path="/library" component={LibraryPage} />
              <Route path="/diagnostics" component={DiagnosticsPage} />
              <Route component={NotFound} />
            </Switch>
          </Suspense>
        </ErrorBoundary>
      </Shell>
      <DropZone />
    </Router>
  );
}
