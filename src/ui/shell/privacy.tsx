import { ShieldCheck } from "lucide-react";
import { useState } from "react";
import { formatBytes } from "../../lib/format_bytes.ts";
import { hubHost, useHub } from "../../store/hub.ts";
import { useToken } from "../../store/hub_token.ts";
import { type Asked, requestsMade } from "../../store/requests.ts";
import { plural } from "../format.ts";
import { Popover } from "../parts/popover.tsx";

/** "On this device", and the proof. */
export function PrivacyChip() {
  const [asked, setAsked] = useState<readonly Asked[] | null>(null);
  const look = () => {
    setAsked(null);
    requestsMade().then(setAsked, () => setAsked(null));
  };
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
      onOpen={look}
    >
      {() => <Privacy requests={asked} />}
    </Popover>
  );
}

function Privacy({ requests }: { requests: readonly Asked[] | null }) {
  const host = useHub(({ address }) => hubHost(address));
  const hasToken = useToken((state) => state.has);
  return (
    <div className="stack tight privacy">
      <p className="strong">
        Your data and your prompts never leave this device, and what is learned only when you upload it
        yourself.
      </p>
      <p>
        The only other requests to another site are downloads of the models and datasets that you name, from{" "}
        {host} and the storage it sends them from. They carry no data
        {hasToken ? `; those to ${host} carry the access token that you gave.` : "."}
      </p>
      {requests === null ? (
        <p className="muted">What was fetched cannot be listed yet.</p>
      ) : (
        <Made {...{ requests }} />
      )}
    </div>
  );
}

function Made({ requests }: { requests: readonly Asked[] }) {
  const elsewhere = requests.filter(({ host }) => host !== location.host);
  const where = [...new Set(elsewhere.map(({ host }) => host))].join(", ");
  return (
    <>
      <p>
        {elsewhere.length === 0
          ? `${plural(requests.length, "file")} were fetched from ${location.host}. Nothing was asked of anyone else.`
          : `${plural(elsewhere.length, "file")} came from ${where}, for the names that you gave.`}
      </p>
      <p className="muted">Turn off your network and keep training.</p>
      {requests.length > 0 && (
        <details>
          <summary>Requests of this page</summary>
          <ul className="request-list small">
            {requests.map(({ name, path, host, bytes, requests: count }) => (
              <li key={`${host}${path}`} className="row between">
                <span className="ellipsis" title={`${host}${path}`}>
                  {name}
                  {host !== location.host && <span className="muted"> · {host}</span>}
                </span>
                <span className="muted">{amountOf(bytes, count, host)}</span>
              </li>
            ))}
          </ul>
        </details>
      )}
    </>
  );
}

/** Of another site the browser says only how often it was asked. */
function amountOf(bytes: number, count: number, host: string): string {
  if (bytes > 0) return formatBytes(bytes);
  return host === location.host ? "cached" : plural(count, "request");
}
