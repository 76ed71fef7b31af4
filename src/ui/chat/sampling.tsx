import { SlidersHorizontal } from "lucide-react";
import { useId } from "react";
import { DEFAULT_SAMPLING, type Sampling, setChat, useChat } from "../../store/chat.ts";
import { Popover } from "../parts/popover.tsx";

interface Row {
  readonly key: keyof Sampling;
  readonly label: string;
  readonly help: string;
  readonly min: number;
  readonly max: number;
  readonly step: number;
}

const ROWS: readonly Row[] = [
  {
    key: "temperature",
    label: "Temperature",
    help: "0 always takes the likeliest token.",
    min: 0,
    max: 5,
    step: 0.1,
  },
  {
    key: "top_p",
    label: "Top-p",
    help: "Draws from the likeliest tokens that make up this share.",
    min: 0.01,
    max: 1,
    step: 0.01,
  },
  {
    key: "top_k",
    label: "Top-k",
    help: "Draws from this many tokens; 0 for all.",
    min: 0,
    max: 1000,
    step: 1,
  },
  { key: "max_new_tokens", label: "Longest answer", help: "In tokens.", min: 1, max: 4096, step: 1 },
  {
    key: "seed",
    label: "Seed",
    help: "The same seed gives the same answer.",
    min: 0,
    max: 4294967295,
    step: 1,
  },
];

/** How both sides draw their tokens. */
export function SamplingPanel() {
  const sampling = useChat((state) => state.sampling);
  const system = useChat((state) => state.system);
  const id = useId();
  const set = ({ key, min, max }: Row, text: string) => {
    const value = Number(text);
    if (text === "" || !Number.isFinite(value)) return;
    setChat({ sampling: { ...sampling, [key]: Math.min(max, Math.max(min, value)) } });
  };
  return (
    <Popover
      align="end"
      button={
        <>
          <SlidersHorizontal size={16} aria-hidden />
          Sampling
        </>
      }
    >
      {() => (
        <div className="sampling">
          {ROWS.map((row) => (
            <div key={row.key} className="field">
              <label htmlFor={`${id}-${row.key}`} className="field-label">
                {row.label}
              </label>
              <input
                id={`${id}-${row.key}`}
                className="input"
                type="number"
                min={row.min}
                max={row.max}
                step={row.step}
                aria-describedby={`${id}-${row.key}-help`}
                value={sampling[row.key]}
                onChange={(event) => set(row, event.target.value)}
              />
              <p id={`${id}-${row.key}-help`} className="muted tiny">
                {row.help}
              </p>
            </div>
          ))}
          <div className="field">
            <label htmlFor={`${id}-system`} className="field-label">
              System prompt
            </label>
            <textarea
              id={`${id}-system`}
              className="textarea"
              rows={2}
              value={system}
              onChange={(event) => setChat({ system: event.target.value })}
            />
          </div>
          <button
            type="button"
            className="button"
            onClick={() => setChat({ sampling: DEFAULT_SAMPLING, system: "" })}
          >
            Reset
          </button>
        </div>
      )}
    </Popover>
  );
}
