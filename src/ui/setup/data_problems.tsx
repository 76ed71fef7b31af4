import type { DataPreview } from "../../protocol/setup.ts";
import { useSetup } from "../../store/setup.ts";
import { setSkipBadRows } from "../../store/setup_actions.ts";
import { formatCount, plural } from "../format.ts";

const MOST = 20;

/** Rows that cannot be used, each by its line, and the offer to leave them out. */
export function DataProblems({ data }: { data: DataPreview }) {
  const skip = useSetup((state) => state.skipBadRows);
  const { problems, problemTotal, lookedAt, rowCount } = data;
  if (lookedAt < rowCount) return <StreamedProblems data={data} />;
  if (problemTotal === 0) return null;
  const usable = Math.max(0, rowCount - problemTotal);
  return (
    <div className="note warn data-problems">
      <p>
        <strong>{plural(problemTotal, "row")} cannot be used.</strong> {formatCount(usable)} of{" "}
        {formatCount(rowCount)} can.
      </p>
      <Problems problems={problems} />
      {problemTotal > MOST && <p className="small">And {formatCount(problemTotal - MOST)} more.</p>}
      <label className="check">
        <input
          type="checkbox"
          checked={skip}
          disabled={usable === 0}
          onChange={(event) => setSkipBadRows(event.target.checked)}
        />
        {usable === 0
          ? "No row is left to train on"
          : `Skip ${problemTotal === 1 ? "this row" : "these rows"}`}
      </label>
    </div>
  );
}

function Problems({ problems }: Pick<DataPreview, "problems">) {
  return (
    <ul className="small">
      {problems.slice(0, MOST).map(({ line, message }) => (
        <li key={`${line} ${message}`}>
          {/^(Line|Row) \d/.test(message) ? message : `Line ${formatCount(line)}: ${message}`}
        </li>
      ))}
    </ul>
  );
}

/** Of rows that are streamed only the first were looked at: what to do with the others is decided before they are met. */
function StreamedProblems({ data }: { data: DataPreview }) {
  const skip = useSetup((state) => state.skipBadRows);
  const { problems, problemTotal, lookedAt } = data;
  return (
    <div className={problemTotal > 0 ? "note warn data-problems" : "stack tight"}>
      {problemTotal > 0 && (
        <>
          <p>
            <strong>
              {formatCount(problemTotal)} of the first {plural(lookedAt, "row")} cannot be used.
            </strong>
          </p>
          <Problems problems={problems} />
        </>
      )}
      <label className="check">
        <input type="checkbox" checked={skip} onChange={(event) => setSkipBadRows(event.target.checked)} />
        Skip rows that cannot be used, wherever they turn up; otherwise the run pauses before the first
      </label>
    </div>
  );
}
