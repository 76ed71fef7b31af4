import { useEffect, useState } from "react";
import { formatDuration } from "../format.ts";

interface RetryButtonProps {
  readonly label: string;
  /** How long a server asked to wait. */
  readonly seconds?: number;
  readonly onRetry: () => void;
}

/** Counts down to when a server may be asked again. */
export function RetryButton({ label, seconds = 0, onRetry }: RetryButtonProps) {
  const [left, setLeft] = useState(seconds);
  useEffect(() => {
    const end = performance.now() + seconds * 1000;
    setLeft(seconds);
    if (seconds <= 0) return;
    const timer = setInterval(() => {
      const now = Math.max(0, Math.ceil((end - performance.now()) / 1000));
      setLeft(now);
      if (now === 0) clearInterval(timer);
    }, 250);
    return () => clearInterval(timer);
  }, [seconds]);
  // The card round it is an alert: a screen reader would read it out every second.
  return (
    <span aria-live="off">
      <button type="button" className="button" disabled={left > 0} onClick={onRetry}>
        {left > 0 ? `${label} in ${formatDuration(left)}` : label}
      </button>
    </span>
  );
}
