import { Lock } from "lucide-react";
import { type FormEvent, type ReactNode, useId, useState } from "react";
import type { HubReference } from "../../lib/hub.ts";
import { readName } from "../../store/hub_reference.ts";
import { aboutBytes } from "./words.ts";

interface HubFieldProps {
  readonly kind: HubReference["kind"];
  readonly label: string;
  readonly action: string;
  readonly placeholder: string;
  readonly onUse: (name: string, revision: string | null) => void;
  /** What was pasted belongs to the other field. */
  readonly onOther: (found: HubReference) => void;
}

/** Takes an id, id@revision or a pasted address. */
export function HubField({ kind, label, action, placeholder, onUse, onOther }: HubFieldProps) {
  const id = useId();
  const [text, setText] = useState("");
  const [problem, setProblem] = useState<{ readonly text: string; readonly other?: HubReference } | null>(
    null,
  );
  const use = (event: FormEvent) => {
    event.preventDefault();
    const read = readName(text, kind);
    if ("problem" in read) {
      setProblem({ text: read.problem, ...(read.other && { other: read.other }) });
      return;
    }
    setProblem(null);
    onUse(read.name, read.revision);
  };
  const other = problem?.other;
  return (
    <form className="field" onSubmit={use}>
      <label htmlFor={id} className="field-label">
        {label}
      </label>
      <div className="row wrap">
        <input
          id={id}
          className="input hub-name"
          placeholder={placeholder}
          spellCheck={false}
          autoComplete="off"
          autoCapitalize="off"
          value={text}
          aria-invalid={problem !== null}
          aria-describedby={problem ? `${id}-problem` : undefined}
          onChange={(event) => {
            setText(event.target.value);
            setProblem(null);
          }}
        />
        <button type="submit" className="button" disabled={text.trim() === ""}>
          {action}
        </button>
      </div>
      {problem && (
        <div id={`${id}-problem`} className="stack tight" role="alert">
          <p className="field-issue">{problem.text}</p>
          {other && (
            <div>
              <button type="button" className="button" onClick={() => onOther(other)}>
                {other.kind === "dataset" ? "Use it as data" : "Use it as the model"}
              </button>
            </div>
          )}
        </div>
      )}
    </form>
  );
}

interface QuickPicksProps {
  readonly label: string;
  readonly picks: readonly {
    readonly id: string;
    readonly label: string;
    readonly bytes: number;
    readonly gated?: boolean;
  }[];
  readonly chosen: unknown;
  readonly onPick: (id: string) => void;
}

/** A few names to begin with. Nothing is asked of the hub about those that are not picked. */
export function QuickPicks({ label, picks, chosen, onPick }: QuickPicksProps) {
  return (
    <fieldset className="quick-picks">
      <legend className="small muted">{label}</legend>
      {picks.map(({ id, label: name, bytes, gated = false }) => (
        <button
          key={id}
          type="button"
          className="quick-pick"
          title={id}
          aria-pressed={id === chosen}
          onClick={() => onPick(id)}
        >
          {gated && <Lock size={12} aria-hidden />}
          {name}
          <span className="muted">
            {gated && <span className="hidden">gated, </span>}≈ {aboutBytes(bytes)}
          </span>
        </button>
      ))}
    </fieldset>
  );
}

/** A link to another site: it opens beside the page and learns nothing of it. */
export function Outside({ href, children }: { readonly href: string; readonly children: ReactNode }) {
  return (
    <a href={href} target="_blank" rel="noopener noreferrer">
      {children}
      <span className="hidden"> (opens in a new tab)</span>
    </a>
  );
}
