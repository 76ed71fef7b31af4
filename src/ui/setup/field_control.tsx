import { useEffect, useState } from "react";
import type { FieldData } from "../../config/fields.ts";
import { fromText, toText } from "./entry.ts";

interface ControlProps {
  readonly id: string;
  readonly field: FieldData;
  readonly value: unknown;
  readonly invalid: boolean;
  readonly onChange: (value: unknown) => void;
}

/** Draws a setting by the kind of control that its declaration names. */
export function FieldControl(props: ControlProps) {
  switch (props.field.control.kind) {
    case "flag":
      return props.field.nullable ? <MaybeFlag {...props} /> : <Flag {...props} />;
    case "choice":
      return <Choice {...props} options={props.field.control.options} />;
    case "choices":
      return <Choices {...props} options={props.field.control.options} />;
    default:
      return <Entry {...props} />;
  }
}

const described = (id: string, invalid: boolean): string | undefined => (invalid ? `${id}-issue` : undefined);

function Flag({ id, value, invalid, onChange }: ControlProps) {
  const on = value === true;
  return (
    <span className="check">
      <input
        id={id}
        type="checkbox"
        checked={on}
        aria-describedby={described(id, invalid)}
        onChange={(event) => onChange(event.target.checked)}
      />
      <span aria-hidden="true" className="muted">
        {on ? "On" : "Off"}
      </span>
    </span>
  );
}

/** On, off, or as it follows from other settings. */
function MaybeFlag({ id, field, value, invalid, onChange }: ControlProps) {
  const chosen = typeof value === "boolean" ? String(value) : "";
  return (
    <select
      id={id}
      className="select"
      value={chosen}
      aria-invalid={invalid}
      aria-describedby={described(id, invalid)}
      onChange={(event) => onChange(event.target.value === "" ? null : event.target.value === "true")}
    >
      <option value="">{field.empty ?? "Automatic"}</option>
      <option value="true">On</option>
      <option value="false">Off</option>
    </select>
  );
}

interface ChoiceProps extends ControlProps {
  readonly options: readonly string[];
}

function Choice({ id, field, value, invalid, onChange, options }: ChoiceProps) {
  return (
    <select
      id={id}
      className="select"
      value={typeof value === "string" ? value : ""}
      aria-invalid={invalid}
      aria-describedby={described(id, invalid)}
      onChange={(event) => onChange(event.target.value === "" ? null : event.target.value)}
    >
      {field.nullable && <option value="">{field.empty ?? "Automatic"}</option>}
      {options.map((option) => (
        <option key={option} value={option}>
          {option}
        </option>
      ))}
    </select>
  );
}

function Choices({ id, field, value, onChange, options }: ChoiceProps) {
  const chosen = Array.isArray(value) ? value.map(String) : typeof value === "string" ? [value] : [];
  const toggle = (option: string) =>
    onChange(chosen.includes(option) ? chosen.filter((item) => item !== option) : [...chosen, option]);
  return (
    <fieldset id={id} className="row wrap">
      <legend className="hidden">{field.label}</legend>
      {options.map((option) => (
        <label key={option} className="check">
          <input type="checkbox" checked={chosen.includes(option)} onChange={() => toggle(option)} />
          {option}
        </label>
      ))}
    </fieldset>
  );
}

/** What is being typed is kept as typed, and read at each change. */
function Entry({ id, field, value, invalid, onChange }: ControlProps) {
  const text = toText(value, field.control);
  const [typed, setTyped] = useState<string | null>(null);
  const { control } = field;
  // The field follows the document again when the document says something else than what was typed.
  useEffect(() => {
    setTyped((now) => (now !== null && toText(fromText(field, now), field.control) === text ? now : null));
  }, [text, field]);
  const change = (next: string) => {
    setTyped(next);
    onChange(fromText(field, next));
  };
  const many =
    ["list", "numbers", "mapping"].includes(control.kind) || ("multiline" in control && control.multiline);
  const placeholder = field.empty ?? ("placeholder" in control ? control.placeholder : undefined);
  const shared = {
    id,
    value: typed ?? text,
    "aria-invalid": invalid,
    "aria-describedby": described(id, invalid),
    placeholder,
    spellCheck: false,
    onBlur: () => setTyped(null),
  } as const;
  if (many)
    return (
      <textarea {...shared} className="textarea" rows={2} onChange={(event) => change(event.target.value)} />
    );
  const numeric = control.kind === "number" || control.kind === "integer";
  return (
    <input
      {...shared}
      type="text"
      inputMode={numeric ? "decimal" : "text"}
      autoComplete="off"
      className={numeric ? "input numeric" : "input"}
      onChange={(event) => change(event.target.value)}
    />
  );
}
