import { ChevronLeft, ChevronRight } from "lucide-react";
import { shown } from "../../store/failure.ts";
import { useSetup } from "../../store/setup.ts";
import { showRow } from "../../store/setup_actions.ts";
import { ErrorCard } from "../errors/error_card.tsx";
import { formatCount } from "../format.ts";
import { ScrollArea } from "../parts/scroll_area.tsx";

/** One row as the model sees it: what is learned, what is only read, special tokens. */
export function RenderedRow() {
  const row = useSetup((state) => state.row);
  const data = shown(row);
  if (row.state === "failed")
    return <ErrorCard failure={row.error} title="This row cannot be shown" compact />;
  if (!data) return <div className="skeleton rendered-skeleton" role="status" aria-label="Rendering a row" />;
  const { row: index, rowCount, pieces, tokens, limit } = data;
  return (
    <div className="stack tight">
      <div className="row wrap between">
        <h3>What the model sees</h3>
        <div className="row">
          <button
            type="button"
            className="icon-button"
            aria-label="Row before"
            disabled={index === 0}
            onClick={() => void showRow(index - 1)}
          >
            <ChevronLeft size={16} aria-hidden />
          </button>
          <span className="small">
            Row {formatCount(index + 1)} of {formatCount(rowCount)}
          </span>
          <button
            type="button"
            className="icon-button"
            aria-label="Next row"
            disabled={index + 1 >= rowCount}
            onClick={() => void showRow(index + 1)}
          >
            <ChevronRight size={16} aria-hidden />
          </button>
        </div>
      </div>
      <ScrollArea className="code rendered" label="The row as tokens">
        {pieces.map(({ text, learned, special }, i) => (
          <span
            // biome-ignore lint/suspicious/noArrayIndexKey: pieces are known by their place.
            key={i}
            className={[learned ? "learned" : "", special ? "special" : ""].join(" ")}
          >
            {text}
          </span>
        ))}
      </ScrollArea>
      <p className="small row wrap">
        <span className={tokens > limit ? "warn-text" : ""}>
          {formatCount(tokens)} / {formatCount(limit)} tokens{tokens > limit ? ": the end is cut" : ""}
        </span>
        <span className="muted">
          <span className="learned">underlined</span> is learned · plain is only read ·{" "}
          <span className="special">token</span> is special
        </span>
      </p>
    </div>
  );
}
