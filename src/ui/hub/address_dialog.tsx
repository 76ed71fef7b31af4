import { type FormEvent, useId, useState } from "react";
import { HUB_ENDPOINT } from "../../lib/hub.ts";
import { closeAddress, useHub } from "../../store/hub.ts";
import { takesToken } from "../../store/hub_token.ts";
import { changeHub } from "../../store/setup_actions.ts";
import { Dialog } from "../parts/dialog.tsx";

const KNOWN = [
  { address: HUB_ENDPOINT, label: "huggingface.co", note: "the hub itself" },
  { address: "https://hf-mirror.com", label: "hf-mirror.com", note: "a mirror that others run" },
] as const;

/** Which hub names are looked for at. */
export function AddressDialog() {
  const open = useHub(({ choosing }) => choosing);
  return (
    <Dialog title="Hub address" open={open} onClose={closeAddress}>
      <AddressForm />
    </Dialog>
  );
}

function AddressForm() {
  const id = useId();
  const address = useHub((state) => state.address);
  const [text, setText] = useState(address);
  const [wrong, setWrong] = useState(false);
  const save = async (event: FormEvent) => {
    event.preventDefault();
    const done = await changeHub(text);
    setWrong(!done);
    if (done) closeAddress();
  };
  return (
    <form className="stack" onSubmit={(event) => void save(event)}>
      <p>
        Models and datasets that you name are looked for here. Where Hugging Face cannot be reached, a mirror
        has copies of what is public.
      </p>
      <div className="field">
        <label htmlFor={id} className="field-label">
          Hub address
        </label>
        <input
          id={id}
          className="input"
          type="url"
          spellCheck={false}
          autoComplete="off"
          value={text}
          aria-invalid={wrong}
          aria-describedby={wrong ? `${id}-wrong` : undefined}
          onChange={(event) => {
            setText(event.target.value);
            setWrong(false);
          }}
        />
        {wrong && (
          <p id={`${id}-wrong`} className="field-issue" role="alert">
            An address has the form https://huggingface.co; on this machine also http://localhost:8080.
          </p>
        )}
      </div>
      <div className="row wrap">
        {KNOWN.map(({ address: known, label, note }) => (
          <button
            key={known}
            type="button"
            className="quick-pick"
            aria-pressed={text === known}
            onClick={() => {
              setText(known);
              setWrong(false);
            }}
          >
            {label} <span className="muted">{note}</span>
          </button>
        ))}
      </div>
      <p className="muted small">
        A mirror sees which names you ask for. Access tokens are{" "}
        {isMirror(text) ? "not sent there" : "never sent to mirrors"}, so gated and private repositories need
        huggingface.co.
      </p>
      <div className="row dialog-actions">
        <button type="button" className="button" onClick={closeAddress}>
          Cancel
        </button>
        <button type="submit" className="button primary">
          Use this address
        </button>
      </div>
    </form>
  );
}

function isMirror(text: string): boolean {
  try {
    return !takesToken(text.trim());
  } catch {
    // Not an address yet.
    return false;
  }
}
