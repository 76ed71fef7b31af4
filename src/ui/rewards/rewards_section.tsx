import { Plus } from "lucide-react";
import { useState } from "react";
import type { RewardData } from "../../config/reward_data.ts";
import type { RewardSpec } from "../../config/rewards.ts";
import { useApp } from "../../store/app.ts";
import { shown } from "../../store/failure.ts";
import {
  hasOwnCode,
  LANGUAGE_NAMES,
  type RewardLanguage,
  weightShares,
  withBuiltIn,
  withCustom,
  withoutReward,
} from "../../store/rewards.ts";
import { settingOf, useSetup } from "../../store/setup.ts";
import { setSetting } from "../../store/setup_actions.ts";
import { ConfirmDialog } from "../parts/dialog.tsx";
import { Popover } from "../parts/popover.tsx";
import { fieldId } from "../setup/field.tsx";
import { RewardCard } from "./reward_card.tsx";
import { ScoreHistogram } from "./score_histogram.tsx";
import { rewardTitle } from "./titles.ts";
import { forgetTrials } from "./trials.ts";
import "../styles/rewards.css";

const LANGUAGES: readonly RewardLanguage[] = ["javascript", "typescript", "python"];

/** What an answer is worth: the rewards with their weights, each to be set, written and tried. */
export function RewardsSection() {
  const catalog = useApp((state) => shown(state.catalog));
  const value = useSetup((state) => settingOf(shown(state.resolved), state.given, "rewards"));
  const [removing, setRemoving] = useState<number | null>(null);
  const rewards = Array.isArray(value) ? (value as readonly RewardSpec[]) : [];
  const change = (next: readonly RewardSpec[]) => setSetting("rewards", next);
  const drop = (index: number) => {
    forgetTrials();
    change(withoutReward(rewards, index));
  };
  const remove = (index: number) => {
    const reward = rewards[index];
    if (reward && hasOwnCode(reward)) setRemoving(index);
    else drop(index);
  };
  const shares = weightShares(rewards);
  return (
    <section
      className="card setup-section"
      id="section-rewards"
      aria-labelledby="rewards-title"
      tabIndex={-1}
    >
      <div className="row wrap between">
        <h2 id="rewards-title">Rewards</h2>
        <AddReward
          known={catalog?.rewards ?? []}
          onBuiltIn={(type) => change(withBuiltIn(rewards, type))}
          onCustom={(language) => change(withCustom(rewards, language))}
        />
      </div>
      <p className="muted small">
        An answer gets the sum of each reward’s value times its weight. Answers that get more than the others
        to the same prompt become likelier.
      </p>
      {rewards.length === 0 && <p className="note warn">Without a reward there is nothing to learn from.</p>}
      {rewards.map((reward, i) => (
        <RewardCard
          // biome-ignore lint/suspicious/noArrayIndexKey: a reward is its place in the list; two may be the same.
          key={i}
          rewards={rewards}
          index={i}
          share={shares[i] ?? 0}
          known={catalog?.rewards.find(({ id }) => id === reward.type)}
          common={catalog?.rewardSettings ?? []}
          onChange={change}
          onRemove={() => remove(i)}
        />
      ))}
      {rewards.length > 0 && <ScoreHistogram />}
      <ConfirmDialog
        title={`Remove ${removing === null ? "" : rewardTitle(rewards[removing], undefined)}?`}
        open={removing !== null}
        action="Remove the reward"
        onClose={() => setRemoving(null)}
        onConfirm={() => removing !== null && drop(removing)}
      >
        <p>The code that you wrote for it goes with it. Copy it first if you want to keep it.</p>
      </ConfirmDialog>
    </section>
  );
}

interface AddRewardProps {
  readonly known: readonly RewardData[];
  readonly onBuiltIn: (type: string) => void;
  readonly onCustom: (language: RewardLanguage) => void;
}

function AddReward({ known, onBuiltIn, onCustom }: AddRewardProps) {
  return (
    <Popover
      align="end"
      button={
        <span className="row" id={fieldId("rewards")}>
          <Plus size={16} aria-hidden />
          Add a reward
        </span>
      }
    >
      {(close) => (
        <div className="menu reward-menu">
          <p className="muted small">Your own, as a function in</p>
          <div className="row wrap">
            {LANGUAGES.map((language) => (
              <button
                key={language}
                type="button"
                onClick={() => {
                  close();
                  onCustom(language);
                }}
              >
                {LANGUAGE_NAMES[language]}
              </button>
            ))}
          </div>
          <p className="muted small">Built in</p>
          {known.map(({ id, label, help }) => (
            <button
              key={id}
              type="button"
              className="reward-choice"
              onClick={() => {
                close();
                onBuiltIn(id);
              }}
            >
              <strong>{label}</strong>
              <span className="muted small">{help}</span>
            </button>
          ))}
        </div>
      )}
    </Popover>
  );
}
