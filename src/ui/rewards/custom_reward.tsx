import type { RewardSpec } from "../../config/rewards.ts";
import { LANGUAGE_NAMES, type RewardLanguage, withChange, withLanguage } from "../../store/rewards.ts";
import { CodeArea } from "../import/code_area.tsx";
import { Segmented } from "../parts/segmented.tsx";
import { failedLine, useRewardTrials } from "./trials.ts";
import "../styles/review.css";

interface CustomRewardProps {
  readonly rewards: readonly RewardSpec[];
  readonly index: number;
  readonly onChange: (rewards: readonly RewardSpec[]) => void;
}

const LANGUAGES = (Object.keys(LANGUAGE_NAMES) as RewardLanguage[]).map((value) => ({
  value,
  label: LANGUAGE_NAMES[value],
}));

/** A reward that the person writes: its name, its language, its code. */
export function CustomReward({ rewards, index, onChange }: CustomRewardProps) {
  const reward = rewards[index];
  const code = typeof reward?.code === "string" ? reward.code : "";
  const line = useRewardTrials((state) => {
    const trial = state.trials[index];
    return trial?.code === code ? failedLine(trial) : null;
  });
  if (!reward) return null;
  const id = `reward-${index}-name`;
  return (
    <div className="stack tight">
      <div className="row wrap">
        <label htmlFor={id} className="field-label reward-name-label">
          Name
        </label>
        <input
          id={id}
          className="input reward-name"
          value={reward.name ?? ""}
          maxLength={60}
          spellCheck={false}
          onChange={(event) =>
            onChange(withChange(rewards, index, { name: event.target.value.trim() || undefined }))
          }
        />
        <Segmented
          label="Language of the code"
          value={reward.language ?? "javascript"}
          options={LANGUAGES}
          onChange={(language) => onChange(withLanguage(rewards, index, language))}
        />
      </div>
      <div className="reward-code">
        <CodeArea
          label={`Code of ${reward.name ?? "the reward"}`}
          value={code}
          problemLines={line === null ? [] : [line]}
          onChange={(next) => onChange(withChange(rewards, index, { code: next }))}
        />
      </div>
      <p className="muted small">
        Gets the answer as <code>text</code> and the <code>reference</code>; every column of the row by its
        name. TRL’s form, <code>(prompts, completions, …)</code> for a whole batch, works too. It runs apart
        from this page, without network.
      </p>
    </div>
  );
}
