import { ChevronLeft, ChevronRight } from "lucide-react";
import type { RenderedText } from "../../protocol/setup.ts";
import { shown } from "../../store/failure.ts";
import { useSetup } from "../../store/setup.ts";
import { showRow } from "../../store/setup_refresh.ts";
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
  const { row: index, rowCount, ofFirst, texts, limit, reference } = data;
  const learns = texts.some(({ pieces }) => pieces.some(({ learned }) => learned));
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
            Row {formatCount(index + 1)} of {ofFirst && "the first "}
            {formatCount(rowCount)}
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
      {texts.map((text) => (
        <Tokens key={text.title} text={text} limit={limit} />
      ))}
      {reference !== null && (
        <p className="small">
          <span className="muted">Reference for rewards:</span> {reference}
        </p>
      )}
      <p className="small muted">
        {learns ? (
          <>
            <span className="learned">underlined</span> is {texts.length > 1 ? "compared" : "learned"} · plain
            is only read
          </>
        ) : (
          "The model goes on from here; its answers are scored"
        )}{" "}
        · <span className="special">token</span> is special
      </p>
    </div>
  );
}

/** A prompt that is too long loses its beginning, anything else its end. */
function Tokens({ text: { title, pieces, tokens }, limit }: { text: RenderedText; limit: number }) {
  const cut = pieces.some(({ learned }) => learned) ? "end" : "beginning";
  return (
    <>
      <ScrollArea
        className="code rendered"
        label={title === "" ? "The row as tokens" : `${title}: the row as tokens`}
      >
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
      <p className="small">
        {title !== "" && <strong>{title}: </strong>}
        <span className={tokens > limit ? "warn-text" : ""}>
          {formatCount(tokens)} / {formatCount(limit)} tokens{tokens > limit ? `: the ${cut} is cut` : ""}
        </span>
      </p>
    </>
  );
}
