import { RotateCcw } from "lucide-react";
import type { FieldData } from "../../config/fields.ts";
import { resetSetting, setSetting } from "../../store/setup_actions.ts";
import { Help } from "../parts/popover.tsx";
import { FieldControl } from "./field_control.tsx";

interface FieldProps {
  readonly field: FieldData;
  readonly value: unknown;
  readonly source: "override" | "file" | "recipe" | "default";
  readonly issue: string | undefined;
  /** For a field that is no setting of its own: where it stands, and what becomes of what is entered. */
  readonly id?: string;
  readonly onChange?: (value: unknown) => void;
}

const SOURCES = { override: "Changed", file: "From a file", recipe: "From the recipe", default: "" } as const;

export const fieldId = (key: string): string => `setting-${key}`;

/** One setting: what it is called, what it holds, what it means, what is wrong with it. */
export function Field({ field, value, source, issue, ...own }: FieldProps) {
  const { key, label, help, control } = field;
  const id = own.id ?? fieldId(key);
  const unit = "unit" in control ? control.unit : undefined;
  const change = own.onChange ?? ((next: unknown) => setSetting(key, next));
  const reset = () => (own.onChange ? own.onChange(undefined) : resetSetting(key));
  return (
    <div className="field">
      <div className="field-head">
        <label htmlFor={id} className="field-label">
          {label}
          {unit && <span className="muted"> ({unit})</span>}
        </label>
        {source !== "default" && (
          <span className={source === "override" ? "changed" : "muted tiny"}>{SOURCES[source]}</span>
        )}
        {source === "override" && (
          <button
            type="button"
            className="reset-button"
            aria-label={`Reset ${label}`}
            title="Reset"
            onClick={reset}
          >
            <RotateCcw size={14} aria-hidden />
          </button>
        )}
        <Help about={label}>
          <p>{help}</p>
          <p className="muted mono tiny">{key}</p>
        </Help>
      </div>
      <FieldControl id={id} field={field} value={value} invalid={issue !== undefined} onChange={change} />
      {issue !== undefined && (
        <p id={`${id}-issue`} className="field-issue">
          {issue}
        </p>
      )}
    </div>
  );
}
