import { Check, Eye, EyeOff, Minus, X } from "lucide-react";
import { type FormEvent, type ReactNode, useEffect, useId, useState } from "react";
import {
  type AccessState,
  accessSteps,
  checkAccess,
  closeAccess,
  dropToken,
  giveToken,
  leaveMirror,
  lookUpUser,
  type StepState,
  useAccess,
} from "../../store/access.ts";
import { hubHost, useHub } from "../../store/hub.ts";
import { takesToken, useToken } from "../../store/hub_token.ts";
import { Dialog } from "../parts/dialog.tsx";
import { Outside } from "./hub_field.tsx";
import { pageOf } from "./words.ts";

/** The three steps into a gated or private repository. */
export function AccessDialog() {
  const access = useAccess();
  const { wanted, again } = access;
  const footer = (
    <button
      type="button"
      className={again.state === "passed" ? "button primary" : "button"}
      onClick={closeAccess}
    >
      {again.state === "passed" ? "Go on" : "Close"}
    </button>
  );
  return (
    <Dialog
      title={wanted ? `Access to ${wanted.name}` : "Access"}
      open={wanted !== null}
      onClose={closeAccess}
      footer={footer}
    >
      {wanted && <Steps access={access} wanted={wanted} />}
    </Dialog>
  );
}

interface StepsProps {
  readonly access: AccessState;
  readonly wanted: NonNullable<AccessState["wanted"]>;
}

function Steps({ access, wanted }: StepsProps) {
  const address = useHub((state) => state.address);
  const { has, user } = useToken();
  const [terms, token, again] = accessSteps(access, has);
  useEffect(() => {
    // A token that an earlier visit kept: say whose it is.
    if (has && user === null) void lookUpUser();
  }, [has, user]);
  if (!takesToken(address)) return <AtMirror host={hubHost(address)} />;
  return (
    <ol className="access-steps">
      <Step number={1} title="Accept the terms" state={terms}>
        <Terms state={terms} page={pageOf(address, wanted.kind, wanted.name.split("@")[0] ?? "")} />
      </Step>
      <Step number={2} title="Paste a token" state={token}>
        <TokenStep access={access} address={address} isDone={token === "done"} />
      </Step>
      <Step number={3} title="Check again" state={again}>
        <Again access={access} ready={has} />
      </Step>
    </ol>
  );
}

const STATE_WORDS: Readonly<Record<StepState, string>> = {
  todo: "to do",
  done: "done",
  failed: "not there yet",
  unneeded: "perhaps not needed",
};
const ICONS = { todo: null, done: Check, failed: X, unneeded: Minus } as const;

interface StepProps {
  readonly number: number;
  readonly title: string;
  readonly state: StepState;
  readonly children: ReactNode;
}

function Step({ number, title, state, children }: StepProps) {
  const Icon = ICONS[state];
  return (
    <li className={`access-step ${state}`}>
      <span className="access-step-icon">
        {Icon === null ? <span aria-hidden="true">{number}</span> : <Icon size={16} aria-hidden />}
      </span>
      <div className="stack tight grow">
        <h3>
          <span className="hidden">Step {number}: </span>
          {title} <span className="muted access-step-state">{STATE_WORDS[state]}</span>
        </h3>
        {children}
      </div>
    </li>
  );
}

function Terms({ state, page }: { readonly state: StepState; readonly page: string }) {
  const host = hubHost(page);
  return (
    <>
      <p>
        {state === "unneeded"
          ? "A private repository has no terms to accept. If its page asks for something, do that first. "
          : "Sign in on its page and accept what it asks. Some owners answer by hand, which takes a while. "}
        <Outside href={page}>Open its page at {host}</Outside>
      </p>
      {state === "failed" && <p className="bad-text">The account of your token has not been let in yet.</p>}
    </>
  );
}

interface TokenStepProps {
  readonly access: AccessState;
  readonly address: string;
  readonly isDone: boolean;
}

/** Whose token is set, or the field for one. */
function TokenStep({ access, address, isDone }: TokenStepProps) {
  const { user, remembered } = useToken();
  const [other, setOther] = useState(false);
  return (
    <>
      <p role="status" className={isDone ? "good-text" : "hidden"}>
        {isDone &&
          `${user === null ? "A token is set" : `Signed in as ${user}`}${remembered ? ", remembered on this device." : ", for this tab."}`}
      </p>
      {isDone && !other ? (
        <div className="row wrap">
          <button type="button" className="link-button" onClick={() => setOther(true)}>
            Use another token
          </button>
          <button type="button" className="link-button" onClick={() => void dropToken()}>
            Remove the token
          </button>
        </div>
      ) : (
        <TokenForm access={access} address={address} onTaken={() => setOther(false)} />
      )}
    </>
  );
}

interface TokenFormProps {
  readonly access: AccessState;
  readonly address: string;
  readonly onTaken: () => void;
}

function TokenForm({ access, address, onTaken }: TokenFormProps) {
  const id = useId();
  const { has, remembered } = useToken();
  const [text, setText] = useState("");
  const [remember, setRemember] = useState(remembered);
  const [seen, setSeen] = useState(false);
  const { state } = access.token;
  const give = async (event: FormEvent) => {
    event.preventDefault();
    if (await giveToken(text, remember)) onTaken();
  };
  const why = access.token.state === "failed" ? access.token.why : null;
  return (
    <form className="stack tight" onSubmit={(event) => void give(event)}>
      <p>
        Read access is enough. <Outside href={`${address}/settings/tokens`}>Make one</Outside>, copy it, and
        paste it here.
      </p>
      <label htmlFor={id} className="field-label">
        Token
      </label>
      <div className="row">
        <input
          id={id}
          className="input grow mono"
          type={seen ? "text" : "password"}
          placeholder="hf_…"
          spellCheck={false}
          autoComplete="off"
          autoCapitalize="off"
          value={text}
          aria-invalid={why !== null}
          aria-describedby={`${id}-state`}
          onChange={(event) => setText(event.target.value)}
        />
        <button
          type="button"
          className="icon-button"
          aria-pressed={seen}
          aria-label="Show the token"
          onClick={() => setSeen(!seen)}
        >
          {seen ? <EyeOff size={16} aria-hidden /> : <Eye size={16} aria-hidden />}
        </button>
      </div>
      <label className="check">
        <input type="checkbox" checked={remember} onChange={(event) => setRemember(event.target.checked)} />
        Remember on this device
      </label>
      <p className="muted small">
        The token stays in this tab's memory unless you tick Remember. It is sent to {hubHost(address)} alone,
        and is in no export, report or log.
      </p>
      <div className="row wrap">
        <button type="submit" className="button" disabled={text.trim() === "" || state === "asking"}>
          {state === "asking" ? "Checking the token…" : "Check this token"}
        </button>
        {has && (
          <button type="button" className="link-button" onClick={() => void dropToken()}>
            Remove the token
          </button>
        )}
      </div>
      <div id={`${id}-state`} role="status">
        {why !== null && <p className="bad-text">{why}</p>}
      </div>
    </form>
  );
}

function Again({ access, ready }: { readonly access: AccessState; readonly ready: boolean }) {
  const { again } = access;
  return (
    <>
      <div className="row wrap">
        <button
          type="button"
          className={ready && again.state !== "passed" ? "button primary" : "button"}
          disabled={!ready || again.state === "asking"}
          onClick={() => void checkAccess()}
        >
          {ready ? (again.state === "asking" ? "Asking…" : "Check again") : "Paste a token first"}
        </button>
      </div>
      <div role="status">
        {again.state === "failed" && <p className="bad-text">{again.why}</p>}
        {again.state === "passed" && <p className="good-text">It is open to you now.</p>}
      </div>
    </>
  );
}

/** A mirror belongs to someone else. */
function AtMirror({ host }: { readonly host: string }) {
  return (
    <div className="stack">
      <p>
        {host} is a mirror, and tokens are not sent to mirrors: whoever runs it could use them. Gated and
        private repositories are only open at huggingface.co.
      </p>
      <div>
        <button type="button" className="button primary" onClick={() => void leaveMirror()}>
          Switch to huggingface.co
        </button>
      </div>
    </div>
  );
}
