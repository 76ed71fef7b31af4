import { useRef } from "react";

interface CodeAreaProps {
  readonly label: string;
  readonly value: string;
  readonly problemLines: readonly number[];
  readonly onChange: (value: string) => void;
}

/** A text field for code with line numbers; lines with a problem are marked. */
export function CodeArea({ label, value, problemLines, onChange }: CodeAreaProps) {
  const numbers = useRef<HTMLDivElement>(null);
  const count = value.split("\n").length;
  const wrong = new Set(problemLines);
  return (
    <div className="code-area">
      <div className="code-numbers" ref={numbers} aria-hidden="true">
        {Array.from({ length: count }, (_, i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a line is its number.
          <div key={i} className={wrong.has(i + 1) ? "wrong" : ""}>
            {i + 1}
          </div>
        ))}
      </div>
      <textarea
        aria-label={label}
        value={value}
        wrap="off"
        spellCheck={false}
        autoCapitalize="off"
        autoComplete="off"
        onChange={(event) => onChange(event.target.value)}
        onScroll={(event) => {
          if (numbers.current) numbers.current.scrollTop = event.currentTarget.scrollTop;
        }}
      />
    </div>
  );
}
