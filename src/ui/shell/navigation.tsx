import {
  Activity,
  House,
  Library,
  ListChecks,
  type LucideIcon,
  MessagesSquare,
  SlidersHorizontal,
} from "lucide-react";
import { Link, useLocation } from "wouter";

interface Place {
  readonly path: string;
  readonly label: string;
  readonly icon: LucideIcon;
  readonly also?: string;
}

const PLACES: readonly Place[] = [
  { path: "/", label: "Start", icon: House },
  { path: "/new", label: "New run", icon: SlidersHorizontal },
  { path: "/runs", label: "Runs", icon: ListChecks, also: "/run/" },
  { path: "/chat", label: "Chat", icon: MessagesSquare, also: "/chat/" },
  { path: "/library", label: "Library", icon: Library },
  { path: "/diagnostics", label: "Diagnostics", icon: Activity },
];

/** A rail on wide screens, a bar at the bottom of narrow ones. */
export function Navigation() {
  const [path] = useLocation();
  return (
    <nav className="navigation" aria-label="Main">
      <Link href="/" className="brand" aria-label="AlignTune, start">
        <svg viewBox="0 0 32 32" width="24" height="24" aria-hidden="true">
          <rect width="32" height="32" rx="8" fill="var(--accent)" />
          <path d="M6 9c4 0 5 13 10 13s5-6 10-6" fill="none" stroke="var(--on-accent)" strokeWidth="3" />
        </svg>
        <span>AlignTune</span>
      </Link>
      {PLACES.map(({ path: to, label, icon: Icon, also }) => {
        const here = path === to || (also !== undefined && path.startsWith(also));
        return (
          <Link key={to} href={to} className="place" aria-current={here ? "page" : undefined}>
            <Icon size={20} strokeWidth={1.75} aria-hidden />
            <span>{label}</span>
          </Link>
        );
      })}
    </nav>
  );
}
