import { type FormEvent, useId, useState } from "react";
import { hubId } from "../../lib/hub.ts";
import { hubHost, useHub } from "../../store/hub.ts";
import { changeHub, pickHubDataset, pickModel } from "../../store/setup_actions.ts";

/** Models and data by their names on a hub, and which hub that is. */

const WRONG_NAME = "Names of the hub have the form owner/name.";

export function HubModel() {
  const id = useId();
  const [name, setName] = useState("");
  const [wrong, setWrong] = useState(false);
  const host = useHub(({ address }) => hubHost(address));
  const use = (event: FormEvent) => {
    event.preventDefault();
    const isName = hubId(name.trim()) !== undefined;
    setWrong(!isName);
    if (isName) pickModel(name.trim());
  };
  return (
    <div className="stack tight">
      <form className="row wrap" onSubmit={use}>
        <label htmlFor={id} className="field-label">
          Or a model of the hub
        </label>
        <input
          id={id}
          className="input grow"
          placeholder="Qwen/Qwen3-0.6B"
          spellCheck={false}
          autoComplete="off"
          value={name}
          aria-invalid={wrong}
          onChange={(event) => setName(event.target.value)}
        />
        <button type="submit" className="button" disabled={name.trim() === ""}>
          Use this model
        </button>
      </form>
      {wrong && <p className="bad-text small">{WRONG_NAME}</p>}
      <p className="muted small">Fetched from {host} by this browser. Nothing of yours is sent there.</p>
      <HubAddress />
    </div>
  );
}

export function HubDataset() {
  const id = useId();
  const [name, setName] = useState("");
  const [subset, setSubset] = useState("");
  const [split, setSplit] = useState("");
  const [wrong, setWrong] = useState(false);
  const host = useHub(({ address }) => hubHost(address));
  const use = (event: FormEvent) => {
    event.preventDefault();
    const isName = hubId(name.trim()) !== undefined;
    setWrong(!isName);
    if (isName) pickHubDataset(name.trim(), subset.trim(), split.trim());
  };
  const entries = [
    ["Dataset of the hub", "openai/gsm8k", name, setName],
    ["Subset", "main, if it has several", subset, setSubset],
    ["Split", "train", split, setSplit],
  ] as const;
  return (
    <form className="stack tight" onSubmit={use}>
      <div className="field-grid">
        {entries.map(([label, placeholder, value, change]) => (
          <div key={label} className="field">
            <label htmlFor={`${id}-${label}`} className="field-label">
              {label}
            </label>
            <input
              id={`${id}-${label}`}
              className="input"
              placeholder={placeholder}
              spellCheck={false}
              autoComplete="off"
              value={value}
              onChange={(event) => change(event.target.value)}
            />
          </div>
        ))}
      </div>
      {wrong && <p className="bad-text small">{WRONG_NAME}</p>}
      <div className="row wrap">
        <button type="submit" className="button" disabled={name.trim() === ""}>
          Use this dataset
        </button>
        <span className="muted small">
          Fetched from {host} by this browser. Nothing of yours is sent there.
        </span>
      </div>
    </form>
  );
}

/** Which hub names are looked for at. */
function HubAddress() {
  const id = useId();
  const address = useHub((state) => state.address);
  const [text, setText] = useState<string | null>(null);
  const [wrong, setWrong] = useState(false);
  const save = async (event: FormEvent) => {
    event.preventDefault();
    const done = await changeHub(text ?? address);
    setWrong(!done);
    if (done) setText(null);
  };
  return (
    <details>
      <summary className="small">Hub address</summary>
      <form className="row wrap" onSubmit={(event) => void save(event)}>
        <label htmlFor={id} className="hidden">
          Hub address
        </label>
        <input
          id={id}
          className="input grow"
          spellCheck={false}
          autoComplete="off"
          value={text ?? address}
          aria-invalid={wrong}
          onChange={(event) => setText(event.target.value)}
        />
        <button type="submit" className="button" disabled={text === null}>
          Use this address
        </button>
      </form>
      {wrong && (
        <p className="bad-text small">
          An address has the form https://huggingface.co; on this machine also http://localhost:8080.
        </p>
      )}
    </details>
  );
}
