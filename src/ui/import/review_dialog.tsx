import { useRef, useState } from "react";
import { navigate } from "wouter/use-hash-location";
import type { ConfigReview } from "../../protocol/setup.ts";
import {
  applySuggestion,
  canApply,
  closeReview,
  editReview,
  fixProblem,
  type ReviewProblem,
  repairReview,
  useReview,
} from "../../store/review.ts";
import { applyReview } from "../../store/setup_actions.ts";
import { ErrorCard } from "../errors/error_card.tsx";
import { formatValue, plural } from "../format.ts";
import { Dialog } from "../parts/dialog.tsx";
import { CodeArea } from "./code_area.tsx";

/** What a dropped configuration says, before any of it is applied. */
export function ReviewDialog() {
  const { open, fileName, text, review, error } = useReview();
  const apply = () => {
    if (!review) return;
    applyReview(review);
    closeReview();
    navigate("/new");
  };
  // A repaired line is no setting, and has no path.
  const count = review ? review.used.length + review.changed.filter(({ path }) => path !== "").length : 0;
  const footer = (
    <>
      <button type="button" className="button" onClick={closeReview}>
        Cancel
      </button>
      <button type="button" className="button primary" disabled={!canApply(review)} onClick={apply}>
        {canApply(review) ? `Use ${plural(count, "setting")}` : "Nothing to use yet"}
      </button>
    </>
  );
  return (
    <Dialog title={`Review ${fileName}`} open={open} onClose={closeReview} wide footer={footer}>
      {error && <ErrorCard failure={error} compact />}
      <div className="review">
        <ReviewText text={text} problems={review?.problems ?? []} />
        {review ? <Lists /> : <p className="muted">Reading…</p>}
      </div>
    </Dialog>
  );
}

function ReviewText({ text, problems }: { text: string; problems: readonly ReviewProblem[] }) {
  const lines = problems.flatMap(({ line }) => (line === undefined ? [] : [line]));
  return (
    <CodeArea label="The file" value={text} problemLines={lines} onChange={(next) => void editReview(next)} />
  );
}

function Lists() {
  const review = useReview((state) => state.review);
  if (!review) return null;
  const { problems, used, changed, notUsed } = review;
  return (
    <div className="stack review-lists">
      <Problems problems={problems} />
      {changed.length > 0 && (
        <Section title="Changed" count={changed.length} open>
          {changed.map((change) => (
            <li key={`${change.path}${change.line}${String(change.from)}`}>
              <Change {...change} />
              <p className="muted small">{change.why}</p>
            </li>
          ))}
        </Section>
      )}
      <Section title="Used" count={used.length} open={problems.length === 0}>
        {used.map(({ path, key, value }) => (
          <li key={path}>
            <code>{path}</code> {path !== key && <span className="muted">as {key}</span>} →{" "}
            {formatValue(value)}
          </li>
        ))}
      </Section>
      {notUsed.length > 0 && (
        <Section title="Not used in the browser" count={notUsed.length}>
          {notUsed.map(({ path, why }) => (
            <li key={path}>
              <code>{path}</code>
              <p className="muted small">{why}</p>
            </li>
          ))}
        </Section>
      )}
    </div>
  );
}

/** A setting that was read otherwise, or a line that was repaired: those have no path. */
function Change({ path, line, from, to }: ConfigReview["changed"][number]) {
  if (path !== "") {
    return (
      <>
        <code>{path}</code>: {formatValue(from)} → {formatValue(to)}
      </>
    );
  }
  return (
    <>
      Line {line}: <code className="line">{String(from)}</code> → <code className="line">{String(to)}</code>
    </>
  );
}

interface SectionProps {
  readonly title: string;
  readonly count: number;
  readonly open?: boolean;
  readonly children: React.ReactNode;
}

function Section({ title, count, open = false, children }: SectionProps) {
  const [isOpen, setOpen] = useState(open);
  return (
    <details open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        {title} <span className="pill">{count}</span>
      </summary>
      <ul className="review-list">{children}</ul>
    </details>
  );
}

function Problems({ problems }: { problems: readonly ReviewProblem[] }) {
  const text = useReview((state) => state.text);
  const list = useRef<HTMLElement>(null);
  if (problems.length === 0) return <p className="note good">Everything in this file was understood.</p>;
  const fix = (problem: ReviewProblem) => {
    list.current?.focus();
    void fixProblem(problem);
  };
  return (
    <section ref={list} tabIndex={-1} aria-label="Problems" className="stack tight">
      <h3>
        Problems <span className="pill bad">{problems.length}</span>
      </h3>
      <ul className="review-list problems">
        {problems.map((problem) => (
          <li key={`${problem.path}${problem.line}${problem.message}`}>
            <p>
              {problem.line !== undefined && <span className="muted">Line {problem.line}: </span>}
              {problem.message}
              {problem.suggestion && ` Did you mean ${problem.suggestion}?`}
            </p>
            {problem.suggestion && applySuggestion(text, problem) !== text && (
              <button type="button" className="button" onClick={() => fix(problem)}>
                Use {problem.suggestion}
              </button>
            )}
            {problem.canRepair && (
              <button type="button" className="button" onClick={() => void repairReview()}>
                Fix indentation
              </button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
