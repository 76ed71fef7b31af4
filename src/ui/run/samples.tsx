import { useState } from "react";
import type { SampleSet } from "../../protocol/runs.ts";
import { ScrollArea } from "../parts/scroll_area.tsx";
import { changedWords } from "./changed_words.ts";

interface SamplesProps {
  readonly sets: readonly SampleSet[];
  readonly going: boolean;
}

/** The same prompts over time: the base model's answer beside a later one, changed words marked. */
export function Samples({ sets, going }: SamplesProps) {
  const [held, setHeld] = useState<number | null>(null);
  const base = sets.find(({ step }) => step === 0);
  const chosen = sets.find(({ step }) => step === held) ?? sets.at(-1);
  const last = sets.at(-1);
  return (
    <section className="card samples" aria-labelledby="samples-title">
      <div className="row wrap between">
        <h2 id="samples-title">Sample answers</h2>
        {sets.length > 1 && (
          <div className="row wrap">
            <label className="row small">
              <span className="muted">Step</span>
              <select
                className="select step-select"
                value={chosen?.step ?? ""}
                onChange={(event) => setHeld(Number(event.target.value))}
              >
                {sets.map(({ step }) => (
                  <option key={step} value={step}>
                    {step === 0 ? "0 (base model)" : step}
                  </option>
                ))}
              </select>
            </label>
            {going && (
              <button
                type="button"
                className="button"
                aria-pressed={held !== null}
                onClick={() => setHeld(held === null ? (last?.step ?? null) : null)}
              >
                {held === null ? "Hold" : "Follow the latest"}
              </button>
            )}
          </div>
        )}
      </div>
      {chosen ? <Table base={base} chosen={chosen} /> : <NoSamples going={going} />}
    </section>
  );
}

function NoSamples({ going }: { going: boolean }) {
  return (
    <p className="muted samples-empty">
      {going
        ? "The base model answers first; the same prompts are answered again as it learns."
        : "This run took no sample answers. Set “Sample answers every” to see them next time."}
    </p>
  );
}

function Table({ base, chosen }: { base: SampleSet | undefined; chosen: SampleSet }) {
  const compare = base !== undefined && base !== chosen;
  return (
    <ScrollArea className="table-frame" label="Table of sample answers">
      <table className="table compare-table">
        <caption className="hidden">
          {compare ? `Answers of the base model and at step ${chosen.step}` : "Answers of the base model"}
        </caption>
        <thead>
          <tr>
            <th scope="col">Prompt</th>
            {base && <th scope="col">Base model</th>}
            {(compare || !base) && <th scope="col">Step {chosen.step}</th>}
          </tr>
        </thead>
        <tbody>
          {chosen.samples.map(({ prompt, answer }, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the prompts are fixed, and one may appear twice.
            <tr key={i}>
              <td>{prompt}</td>
              {base && <td className={compare ? "muted" : ""}>{base.samples[i]?.answer || "(nothing)"}</td>}
              {(compare || !base) && (
                <td>
                  <Answer before={base?.samples[i]?.answer ?? answer} text={answer} />
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollArea>
  );
}

/** An answer with the words marked that an earlier one does not have. */
export function Answer({ before, text }: { before: string; text: string }) {
  if (text.trim() === "") return <span className="muted">(nothing)</span>;
  return (
    <span className="answer">
      {changedWords(before, text).map(({ text: word, changed }, i) =>
        changed ? (
          // biome-ignore lint/suspicious/noArrayIndexKey: pieces are known by their place.
          <mark key={i}>{word}</mark>
        ) : (
          word
        ),
      )}
    </span>
  );
}
