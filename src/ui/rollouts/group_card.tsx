import { Copy, Scissors, TriangleAlert } from "lucide-react";
import { useId, useState } from "react";
import type { RolloutAnswer } from "../../protocol/runs.ts";
import { notify } from "../../store/app.ts";
import { formatCount, formatScore, metricName, NONE } from "../format.ts";
import { type Order, promptText, type RolloutGroup, sortAnswers } from "./groups.ts";

interface GroupCardProps {
  readonly group: RolloutGroup;
  readonly names: readonly string[];
  readonly widest: number;
  readonly order: Order;
}

/** One prompt and everything that was answered to it. */
export function GroupCard({ group, names, widest, order }: GroupCardProps) {
  const { prompt, reference, answers, mean, isSame } = group;
  const title = useId();
  const text = promptText(prompt);
  return (
    <article className="rollout-group" aria-labelledby={title}>
      <header className="rollout-head">
        <div className="rollout-prompt">
          <h3 id={title} className="muted small">
            Prompt {formatCount(group.id + 1)}
          </h3>
          <LongText text={text} />
        </div>
        <p className="row wrap small">
          {reference !== null && (
            <span>
              <span className="muted">Reference</span> <strong>{reference}</strong>
            </span>
          )}
          <span>
            <span className="muted">Mean reward</span>{" "}
            <strong>{mean === null ? NONE : formatScore(mean)}</strong>
          </span>
          {isSame && (
            <span
              className="pill warn"
              title="All answers are worth the same: nothing is better than the rest"
            >
              All the same: no signal
            </span>
          )}
        </p>
      </header>
      <table className="table rollout-table">
        <caption className="hidden">Answers to: {text}</caption>
        <thead>
          <tr>
            <th scope="col">Answer</th>
            {names.map((name) => (
              <th key={name} scope="col" className="number" title={name}>
                {metricName(name)}
              </th>
            ))}
            <th scope="col" className="number">
              Total
            </th>
            <th scope="col">Advantage</th>
            <th scope="col" className="number">
              Tokens
            </th>
            <th scope="col">
              <span className="hidden">Copy</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {sortAnswers(answers, order).map((answer, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: two answers may be the same; another order begins afresh.
            <Answer key={`${order}${i}`} answer={answer} names={names} widest={widest} />
          ))}
        </tbody>
      </table>
    </article>
  );
}

interface AnswerProps {
  readonly answer: RolloutAnswer;
  readonly names: readonly string[];
  readonly widest: number;
}

function Answer({ answer, names, widest }: AnswerProps) {
  const { completion, rewards, reward, advantage, length, truncated, errors } = answer;
  const copy = () =>
    void navigator.clipboard.writeText(completion).then(() => notify("The answer was copied."));
  return (
    <tr>
      <td className="rollout-text">
        <LongText text={completion} />
        {truncated && (
          <span className="pill warn">
            <Scissors size={12} aria-hidden />
            cut off
          </span>
        )}
      </td>
      {names.map((name) => (
        <td key={name} className="number" data-label={metricName(name)}>
          <Score value={rewards[name] ?? null} error={errors?.[name]} />
        </td>
      ))}
      <td className="number strong" data-label="Total">
        <Score value={reward} error={undefined} />
      </td>
      <td data-label="Advantage">
        <AdvantageBar value={advantage} widest={widest} />
      </td>
      <td className="number" data-label="Tokens">
        {formatCount(length)}
      </td>
      <td className="rollout-copy">
        <button type="button" className="icon-button" aria-label="Copy the answer" onClick={copy}>
          <Copy size={16} aria-hidden />
        </button>
      </td>
    </tr>
  );
}

function Score({ value, error }: { value: number | null; error: string | undefined }) {
  if (error !== undefined)
    return (
      <span className="bad-text score-failed" title={error}>
        <TriangleAlert size={14} aria-hidden />
        failed<span className="hidden">: {error}</span>
      </span>
    );
  if (value === null) return <span title="This reward did not apply">{NONE}</span>;
  return formatScore(value);
}

const LONG = 240;

function LongText({ text }: { text: string }) {
  const [open, setOpen] = useState(false);
  if (text.trim() === "") return <span className="muted">(nothing)</span>;
  const long = text.length > LONG || text.split("\n").length > 4;
  return (
    <>
      <div className={long && !open ? "rollout-answer clamped" : "rollout-answer"}>{text}</div>
      {long && (
        <button type="button" className="link-button" aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? "Show less" : "Show all"}
        </button>
      )}
    </>
  );
}

const signed = (value: number): string =>
  value > 0 ? `+${formatScore(value)}` : value < 0 ? `−${formatScore(-value)}` : formatScore(value);

/** Left and red for answers that become less likely, right and green for the others; the sign says the same. */
export function AdvantageBar({ value, widest }: { value: number; widest: number }) {
  const share = widest > 0 ? Math.min(1, Math.abs(value) / widest) : 0;
  const side = value < 0 ? "less" : "more";
  return (
    <span className="advantage">
      <span className="advantage-track" aria-hidden="true">
        <span className={`advantage-bar ${side}`} style={{ width: `${50 * share}%` }} />
      </span>
      <span className="advantage-value">{signed(value)}</span>
    </span>
  );
}
