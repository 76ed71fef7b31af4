/** A terminal sends Ctrl-C to every process of the group, and npm passes it on: what follows this soon is the same one. */
const SAME_MS = 1000;

/** Calls `ask` at the first Ctrl-C (or SIGTERM); a later one ends the process without waiting. */
export function onInterrupt(ask: () => void): void {
  let first: number | undefined;
  const listener = () => {
    const now = performance.now();
    if (first === undefined) {
      first = now;
      ask();
    } else if (now - first > SAME_MS) process.exit(130);
  };
  process.on("SIGINT", listener);
  process.on("SIGTERM", listener);
}
