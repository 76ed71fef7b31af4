import { ShieldCheck } from "lucide-react";
import { useState } from "react";
import { formatBytes, plural } from "../format.ts";
import { Popover } from "../parts/popover.tsx";

interface Asked {
  readonly name: string;
  readonly host: string;
  readonly bytes: number;
}

/** What this page has fetched, as the browser itself recorded it. */
function requestsMade(): readonly Asked[] {
  return performance
    .getEntriesByType("resource")
    .filter((entry): entry is PerformanceResourceTiming => "transferSize" in entry)
    .filter(({ name }) => !/^(blob|data):/.test(name))
    .map(({ name, transferSize }) => {
      const url = new URL(name);
      return { name: url.pathname.split("/").at(-1) || "/", host: url.host, bytes: transferSize };
    });
}

/** "On this device", and the proof. */
export function PrivacyChip() {
  const [asked, setAsked] = useState<readonly Asked[]>([]);
  return (
    <Popover
      button={
        <>
          <ShieldCheck size={16} aria-hidden />
          <span className="wide-only">On this device</span>
        </>
      }
      label="On this device: what this page has fetched"
      className="chip good"
      align="end"
      onOpen={() => setAsked(requestsMade())}
    >
      {() => <Asked requests={asked} />}
    </Popover>
  );
}

function Asked({ requests }: { requests: readonly Asked[] }) {
  const elsewhere = requests.filter(({ host }) => host !== location.host);
  const where = [...new Set(elsewhere.map(({ host }) => host))].join(", ");
  return (
    <div className="stack tight privacy">
      <p className="strong">Your data and your model stay on this device.</p>
      <p>
        {elsewhere.length === 0
          ? `${plural(requests.length, "file")} of this page were fetched from ${location.host}. Nothing was asked of anyone else.`
          : `${plural(elsewhere.length, "file")} came from ${where}. They are models or data that you chose.`}
      </p>
      <p className="muted">Turn off your network and keep training.</p>
      {requests.length > 0 && (
        <details>
          <summary>Requests of this page</summary>
          <ul className="request-list small">
            {requests.map(({ name, host, bytes }, i) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: the list only grows and has no other key.
              <li key={i} className="row between">
                <span className="ellipsis" title={`${host} ${name}`}>
                  {name}
                </span>
                <span className="muted">{bytes > 0 ? formatBytes(bytes) : "cached"}</span>
              </li>
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}
