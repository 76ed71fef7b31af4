import { type KeyboardEvent, useId } from "react";

interface SegmentedProps<T extends string> {
  readonly label: string;
  readonly value: T;
  readonly options: readonly { readonly value: T; readonly label: string }[];
  readonly onChange: (value: T) => void;
}

/** One of a few, all in sight. */
export function Segmented<T extends string>({ label, value, options, onChange }: SegmentedProps<T>) {
  const name = useId();
  return (
    <fieldset className="segmented">
      <legend className="hidden">{label}</legend>
      {options.map((option) => (
        <label key={option.value} className={option.value === value ? "on" : ""}>
          <input
            type="radio"
            className="hidden"
            name={name}
            checked={option.value === value}
            onChange={() => onChange(option.value)}
          />
          {option.label}
        </label>
      ))}
    </fieldset>
  );
}

interface TabsProps<T extends string> extends SegmentedProps<T> {
  /** The id of the panel that the tabs fill. */
  readonly panel: string;
}

/** Tabs over one panel; arrow keys move between them. */
export function Tabs<T extends string>({ label, value, options, onChange, panel }: TabsProps<T>) {
  const move = (event: KeyboardEvent<HTMLDivElement>) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const at = options.findIndex((option) => option.value === value);
    const next = options[(at + step + options.length) % options.length];
    if (!next) return;
    onChange(next.value);
    document.getElementById(`${panel}-${next.value}`)?.focus();
  };
  return (
    <div role="tablist" aria-label={label} className="tabs" onKeyDown={move}>
      {options.map((option) => (
        <button
          key={option.value}
          id={`${panel}-${option.value}`}
          type="button"
          role="tab"
          aria-selected={option.value === value}
          aria-controls={panel}
          tabIndex={option.value === value ? 0 : -1}
          onClick={() => onChange(option.value)}
        >
          {option.label}
        </button>
      ))}
    </div>
  );
}
