import { useState } from "react";
import type { ScoreSample } from "../../protocol/setup.ts";
import { noteError } from "../../store/app.ts";
import { request } from "../../store/client.ts";
import { type Failure, shown } from "../../store/failure.ts";
import { useSetup } from "../../store/setup.ts";
import { ErrorCard } from "../errors/error_card.tsx";
import { scoreBins, scoreText, scoreVerdict } from "./score_bins.ts";

const WIDTH = 480;
const HEIGHT = 72;

interface Sampled {
  readonly sample: ScoreSample;
  /** The settings that it was drawn with. */
  readonly settings: string;
}

/** What the rewards give the model as it is, before anything is trained. */
export function ScoreHistogram() {
  const settings = useSetup(({ given, recipe }) => JSON.stringify([given, recipe]));
  const hasRows = useSetup((state) => shown(state.preview) !== null);
  const [running, setRunning] = useState(false);
  const [sampled, setSampled] = useState<Sampled | null>(null);
  const [failure, setFailure] = useState<Failure | null>(null);
  const run = async () => {
    setRunning(true);
    setFailure(null);
    const { given, recipe, files } = useSetup.getState();
    try {
      const sample = await request("sampleScores", { given, recipe, files });
      setSampled({ sample, settings: JSON.stringify([given, recipe]) });
    } catch (error) {
      setFailure(noteError(error));
    }
    setRunning(false);
  };
  if (!hasRows) return null;
  return (
    <section className="stack tight" aria-label="Scores of the base model">
      <div className="row wrap">
        <button type="button" className="button" disabled={running} onClick={() => void run()}>
          {running ? "The base model answers…" : "Score 20 answers of the base model"}
        </button>
        <span className="muted small">
          One answer to each of up to 20 rows, drawn as the run would draw them.
        </span>
      </div>
      <div aria-live="polite">
        {sampled && <Scores sample={sampled.sample} changed={sampled.settings !== settings} />}
        {failure && <ErrorCard failure={failure} compact here />}
      </div>
    </section>
  );
}

function Scores({ sample, changed }: { readonly sample: ScoreSample; readonly changed: boolean }) {
  const bins = scoreBins(sample);
  const { text, good } = scoreVerdict(sample);
  const tallest = Math.max(1, ...(bins?.counts ?? []));
  const bar = WIDTH / (bins?.counts.length ?? 1);
  return (
    <figure className="stack tight">
      {bins && (
        <>
          <svg
            viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
            className="histogram"
            preserveAspectRatio="none"
            role="img"
            aria-label={text}
          >
            {bins.counts.map((count, i) => (
              <rect
                // biome-ignore lint/suspicious/noArrayIndexKey: a bin is its place.
                key={i}
                x={i * bar + 1}
                y={HEIGHT - (count / tallest) * (HEIGHT - 4)}
                width={Math.max(1, bar - 2)}
                height={(count / tallest) * (HEIGHT - 4)}
                fill="var(--series-1)"
              />
            ))}
          </svg>
          <div className="row between muted tiny" aria-hidden="true">
            <span>{scoreText(bins.least)}</span>
            <span>{scoreText(bins.most)}</span>
          </div>
        </>
      )}
      <figcaption className={good ? "small" : "small warn-text"}>
        {text}
        {sample.failures > 0 && ` ${sample.failures} calls of rewards failed.`}
        {sample.withoutModel && " The reward model was left out."}
      </figcaption>
      {changed && <p className="muted small">The settings have changed since: score again.</p>}
    </figure>
  );
}
