import { useEffect } from "react";
import { applySuggestion, openReview } from "../../store/review.ts";
import { editYaml, useYaml, writeYaml } from "../../store/yaml_edit.ts";
import { ErrorCard } from "../errors/error_card.tsx";
import { CodeArea } from "../import/code_area.tsx";

/** The document as text: the same settings as the form, both ways. */
export function YamlView() {
  const { text, problems, error } = useYaml();
  useEffect(() => {
    void writeYaml();
  }, []);
  const lines = problems.flatMap(({ line }) => (line === undefined ? [] : [line]));
  const repairable = problems.some(({ canRepair }) => canRepair);
  return (
    <section className="card setup-section" aria-labelledby="yaml-title">
      <h2 id="yaml-title">Configuration as YAML</h2>
      {error && <ErrorCard failure={error} compact />}
      <CodeArea label="Configuration as YAML" value={text} problemLines={lines} onChange={editYaml} />
      <div aria-live="polite" className="stack tight">
        {problems.length === 0 && text.trim() !== "" && (
          <p className="muted small">Read as you type: the form holds the same settings.</p>
        )}
        <ul className="review-list problems">
          {problems.map((problem) => (
            <li key={`${problem.path}${problem.line}${problem.message}`}>
              <p>
                {problem.line !== undefined && <span className="muted">Line {problem.line}: </span>}
                {problem.message}
                {problem.suggestion && ` Did you mean ${problem.suggestion}?`}
              </p>
              {problem.suggestion && applySuggestion(text, problem) !== text && (
                <button
                  type="button"
                  className="button"
                  onClick={() => editYaml(applySuggestion(text, problem))}
                >
                  Use {problem.suggestion}
                </button>
              )}
            </li>
          ))}
        </ul>
        {repairable && (
          <button type="button" className="button" onClick={() => void openReview("configuration", text)}>
            Fix the indentation…
          </button>
        )}
      </div>
    </section>
  );
}
