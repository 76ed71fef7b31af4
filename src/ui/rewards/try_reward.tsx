import { ChevronLeft, ChevronRight } from "lucide-react";
import { useId, useState } from "react";
import type { RewardTrialResult } from "../../protocol/setup.ts";
import { shown } from "../../store/failure.ts";
import { useSetup } from "../../store/setup.ts";
import { showRow } from "../../store/setup_refresh.ts";
import { ErrorCard } from "../errors/error_card.tsx";
import { formatCount, formatMetric, formatScore, NONE } from "../format.ts";
import { ScrollArea } from "../parts/scroll_area.tsx";
import { runTrial, sampleAnswer, useRewardTrials } from "./trials.ts";

interface TryRewardProps {
  readonly index: number;
  /** The code as it stands; null for a built-in reward. */
  readonly code: string | null;
  /** The answer that stands there first. */
  readonly opening: string;
}

/** A reward on one answer to one row: the score, what it printed, how long it took, where it failed. */
export function TryReward({ index, code, opening }: TryRewardProps) {
  const row = useSetup((state) => shown(state.row));
  const trial = useRewardTrials((state) => state.trials[index]);
  const [completion, setCompletion] = useState(opening);
  const [sampling, setSampling] = useState(false);
  const id = useId();
  if (!row)
    return (
      <p className="muted small">
        A reward is tried on a row of the data: choose data, and correct what is marked in the settings.
      </p>
    );
  const prompt = row.texts.map(({ pieces }) => pieces.map(({ text }) => text).join("")).join("\n");
  const sample = async () => {
    setSampling(true);
    const answer = await sampleAnswer(index, code);
    if (answer !== undefined) setCompletion(answer);
    setSampling(false);
  };
  const changed = trial !== undefined && trial.code !== code;
  return (
    <section className="reward-trial" aria-label="Try the reward">
      <div className="row wrap between">
        <h4>Try it</h4>
        <div className="row">
          <button
            type="button"
            className="icon-button"
            aria-label="Row before"
            disabled={row.row === 0}
            onClick={() => void showRow(row.row - 1)}
          >
            <ChevronLeft size={16} aria-hidden />
          </button>
          <span className="small">
            Row {formatCount(row.row + 1)} of {formatCount(row.rowCount)}
          </span>
          <button
            type="button"
            className="icon-button"
            aria-label="Next row"
            disabled={row.row + 1 >= row.rowCount}
            onClick={() => void showRow(row.row + 1)}
          >
            <ChevronRight size={16} aria-hidden />
          </button>
        </div>
      </div>
      <ScrollArea className="code trial-prompt" label="The prompt of this row">
        {prompt}
      </ScrollArea>
      <p className="small">
        <span className="muted">Reference:</span> {row.reference ?? NONE}
      </p>
      <label htmlFor={id} className="field-label">
        Answer to score
      </label>
      <textarea
        id={id}
        className="textarea"
        rows={3}
        spellCheck={false}
        value={completion}
        onChange={(event) => setCompletion(event.target.value)}
      />
      <div className="row wrap">
        <button
          type="button"
          className="button"
          disabled={trial?.running === true}
          onClick={() => void runTrial(index, code, { row: row.row, completion })}
        >
          {trial?.running ? "Scoring…" : "Score this answer"}
        </button>
        {row.question !== null && (
          <button type="button" className="button" disabled={sampling} onClick={() => void sample()}>
            {sampling ? "The model answers…" : "Let the model answer"}
          </button>
        )}
      </div>
      <div aria-live="polite" className="trial-result">
        {trial?.result && <Result result={trial.result} changed={changed} />}
        {trial?.failure && <ErrorCard failure={trial.failure} compact here />}
      </div>
    </section>
  );
}

function Result({ result, changed }: { result: RewardTrialResult; changed: boolean }) {
  const { value, error, milliseconds, logs } = result;
  return (
    <>
      {error ? (
        <p className="bad-text">
          {error.line !== null && `Line ${error.line}: `}
          {error.message}
        </p>
      ) : (
        <p>
          <strong className="trial-score">{value === null ? NONE : formatScore(value)}</strong>{" "}
          <span className="muted">
            {value === null ? "It does not apply to this answer." : "is the score."}
          </span>
        </p>
      )}
      <p className="muted small">
        {formatMetric(milliseconds)} ms{changed && " · The code has changed since: score again."}
      </p>
      {logs.length > 0 && (
        <ScrollArea className="code" label="What the code printed">
          <pre>{logs.join("\n")}</pre>
        </ScrollArea>
      )}
    </>
  );
}
