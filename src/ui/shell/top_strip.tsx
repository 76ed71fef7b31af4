import { Monitor, Moon, Sun } from "lucide-react";
import { Link, useLocation } from "wouter";
import { useShallow } from "zustand/react/shallow";
import { formatBytes } from "../../lib/format_bytes.ts";
import { useApp } from "../../store/app.ts";
import { shown } from "../../store/failure.ts";
import { currentRun, nameOf, stepOf, totalStepsOf, useRuns } from "../../store/runs.ts";
import { setTheme, type Theme, useTheme } from "../../store/theme.ts";
import { formatDuration, formatPercent } from "../format.ts";
import { useTitle } from "../parts/hooks.ts";
import { Popover } from "../parts/popover.tsx";
import { statusWord } from "../parts/status.tsx";
import { PrivacyChip } from "./privacy.tsx";

const TITLES: readonly (readonly [RegExp, string])[] = [
  [/^\/$/, "Start"],
  [/^\/new/, "New run"],
  [/^\/run\//, "Run"],
  [/^\/runs/, "Runs"],
  [/^\/chat/, "Chat"],
  [/^\/library/, "Library"],
  [/^\/diagnostics/, "Diagnostics"],
];

/** Where one is, what is training, what leaves the device, how much is stored, light or dark. */
export function TopStrip() {
  const [path] = useLocation();
  const title = TITLES.find(([pattern]) => pattern.test(path))?.[1] ?? "AlignTune";
  return (
    <header className="top-strip">
      <p className="strip-title">{title}</p>
      <RunPill page={title} />
      <PrivacyChip />
      <StorageChip />
      <ThemeMenu />
    </header>
  );
}

/** The run that is going on, on every screen and in the window's title. */
function RunPill({ page }: { page: string }) {
  const run = useRuns(
    useShallow((state) => {
      const current = currentRun(state);
      if (!current) return null;
      const total = totalStepsOf(current);
      return {
        id: current.id,
        name: nameOf(current),
        word: statusWord(current.status),
        share: total && stepOf(current) > 0 ? formatPercent(stepOf(current) / total) : null,
        left: current.status.state === "running" ? (current.progress?.secondsLeft ?? null) : null,
      };
    }),
  );
  const done = useRuns((state) => {
    const id = openRunId();
    const last = id === null ? undefined : state.runs[id];
    return last?.status.state === "done" ? nameOf(last) : null;
  });
  useTitle(
    run ? `${run.share ?? run.word} · ${run.name}` : done ? `✓ Trained · ${done}` : `${page} · AlignTune`,
  );
  if (!run) return <span className="grow" />;
  return (
    <span className="grow strip-run">
      <Link href={`/run/${run.id}`} className="pill accent run-pill">
        <span>{run.word}</span>
        {run.share && <span>{run.share}</span>}
        {run.left !== null && <span className="run-left">{formatDuration(run.left)} left</span>}
      </Link>
    </span>
  );
}

/** The run whose screen is open, by the address. */
const openRunId = (): string | null => /^#\/run\/([^/?]+)/.exec(location.hash)?.[1] ?? null;

function StorageChip() {
  const storage = useApp((state) => shown(state.storage));
  if (!storage) return null;
  return (
    <Link href="/library" className="chip wide-only" title="What this browser keeps">
      {formatBytes(storage.used)} stored
    </Link>
  );
}

const THEMES: readonly { value: Theme; label: string; icon: typeof Sun }[] = [
  { value: "system", label: "As the device", icon: Monitor },
  { value: "light", label: "Light", icon: Sun },
  { value: "dark", label: "Dark", icon: Moon },
];

function ThemeMenu() {
  const theme = useTheme((state) => state.theme);
  const now = THEMES.find(({ value }) => value === theme);
  const Icon = now?.icon ?? Monitor;
  return (
    <Popover
      button={<Icon size={16} aria-hidden />}
      label={`Colours: ${now?.label ?? ""}`}
      className="icon-button"
      align="end"
    >
      {(close) => (
        <div className="menu">
          {THEMES.map(({ value, label, icon: Choice }) => (
            <button
              key={value}
              type="button"
              aria-pressed={value === theme}
              onClick={() => {
                setTheme(value);
                close();
              }}
            >
              <Choice size={16} aria-hidden />
              {label}
            </button>
          ))}
        </div>
      )}
    </Popover>
  );
}
