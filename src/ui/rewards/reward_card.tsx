import { Trash2 } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import type { FieldData } from "../../config/fields.ts";
import type { RewardData } from "../../config/reward_data.ts";
import type { RewardSpec } from "../../config/rewards.ts";
import { shown } from "../../store/failure.ts";
import { clearRewardFocus, useRewardFocus } from "../../store/reward_focus.ts";
import { withChange, withParam } from "../../store/rewards.ts";
import { useSetup } from "../../store/setup.ts";
import { formatPercent } from "../format.ts";
import { Field } from "../setup/field.tsx";
import { CustomReward } from "./custom_reward.tsx";
import { issuesOf, rewardTitle } from "./titles.ts";
import { TryReward } from "./try_reward.tsx";

interface RewardCardProps {
  readonly rewards: readonly RewardSpec[];
  readonly index: number;
  readonly share: number;
  readonly known: RewardData | undefined;
  /** Weight, normalize, clip: what every reward has. */
  readonly common: readonly FieldData[];
  readonly onChange: (rewards: readonly RewardSpec[]) => void;
  readonly onRemove: () => void;
}

/** One reward: what it is called, how much it weighs, what it takes. */
export function RewardCard(props: RewardCardProps) {
  const { rewards, index, share, known, common, onChange, onRemove } = props;
  const reward = rewards[index];
  const issues = useSetup((state) => shown(state.resolved)?.issues);
  const [trying, setTrying] = useState<{ readonly completion: string } | null>(null);
  const card = useRef<HTMLElement>(null);
  const focus = useRewardFocus((state) => (state.focus?.index === index ? state.focus : null));
  useEffect(() => {
    if (!focus) return;
    setTrying({ completion: focus.completion });
    clearRewardFocus();
    card.current?.scrollIntoView({ block: "start" });
    card.current?.focus({ preventScroll: true });
  }, [focus]);
  if (!reward) return null;
  const wrong = issuesOf(issues ?? [], index);
  const title = rewardTitle(reward, known);
  const settle = (key: string, value: unknown) =>
    onChange(withChange(rewards, index, { [key]: value ?? undefined } as Partial<RewardSpec>));
  const drawn = new Set(known?.params.map(({ key }) => `params.${key}`));
  const rest = [...wrong].filter(([place]) => !drawn.has(place));
  const [weight, ...others] = common;
  return (
    <article ref={card} tabIndex={-1} className="reward-card" aria-label={`Reward ${index + 1}: ${title}`}>
      <header className="row between">
        <div className="grow">
          <h3>{title}</h3>
          {known && <p className="muted small">{known.help}</p>}
        </div>
        <button type="button" className="icon-button" aria-label={`Remove ${title}`} onClick={onRemove}>
          <Trash2 size={16} aria-hidden />
        </button>
      </header>
      {reward.type === "custom" && <CustomReward rewards={rewards} index={index} onChange={onChange} />}
      {rest.map(([place, message]) => (
        <p key={place} className="field-issue">
          {message}
        </p>
      ))}
      {known && <NeedsReference known={known} params={reward.params} />}
      <div className="field-grid">
        {weight && (
          <Weight
            field={weight}
            id={`reward-${index}-weight`}
            value={reward.weight}
            share={share}
            onChange={(value) => settle("weight", value ?? weight.default)}
          />
        )}
        {known?.params.map((field) => (
          <Field
            key={field.key}
            field={field}
            id={`reward-${index}-${field.key}`}
            value={reward.params[field.key] ?? field.default}
            source={field.key in reward.params ? "override" : "default"}
            issue={wrong.get(`params.${field.key}`)}
            onChange={(value) => onChange(withParam(rewards, index, field.key, value))}
          />
        ))}
      </div>
      {others.length > 0 && <MoreSettings fields={others} reward={reward} index={index} onChange={settle} />}
      {trying ? (
        <TryReward
          index={index}
          opening={trying.completion}
          code={typeof reward.code === "string" ? reward.code : null}
        />
      ) : (
        <button
          type="button"
          className="button reward-try-button"
          onClick={() => setTrying({ completion: "" })}
        >
          Try it<span className="hidden">: {title}</span>
        </button>
      )}
    </article>
  );
}

interface WeightProps {
  readonly field: FieldData;
  readonly id: string;
  readonly value: number;
  readonly share: number;
  readonly onChange: (value: unknown) => void;
}

/** How much a reward counts, by itself and among the others. */
function Weight({ field, id, value, share, onChange }: WeightProps) {
  return (
    <div>
      <Field
        field={field}
        id={id}
        value={value}
        source={value === field.default ? "default" : "override"}
        issue={undefined}
        onChange={onChange}
      />
      <div className="meter weight-meter" aria-hidden="true">
        <span className="meter-part" style={{ width: `${100 * share}%` }} />
      </div>
      <p className="muted tiny">{formatPercent(share)} of all weights</p>
    </div>
  );
}

interface MoreSettingsProps {
  readonly fields: readonly FieldData[];
  readonly reward: RewardSpec;
  readonly index: number;
  readonly onChange: (key: string, value: unknown) => void;
}

function MoreSettings({ fields, reward, index, onChange }: MoreSettingsProps) {
  return (
    <details>
      <summary className="small">Normalize and clip</summary>
      <div className="field-grid reward-more">
        {fields.map((field) => {
          const value = reward[field.key as keyof RewardSpec];
          return (
            <Field
              key={field.key}
              field={field}
              id={`reward-${index}-${field.key}`}
              value={value ?? field.default}
              source={value === undefined ? "default" : "override"}
              issue={undefined}
              onChange={(next) => onChange(field.key, next)}
            />
          );
        })}
      </div>
    </details>
  );
}

/** A reward that compares says so before a run would find out that it never applies. */
function NeedsReference({ known, params }: { known: RewardData; params: RewardSpec["params"] }) {
  const row = useSetup((state) => shown(state.row));
  const instead = Object.values(params).some((value) => Array.isArray(value) && value.length > 0);
  if (!known.needs.includes("reference") || instead || row === null || row.reference !== null) return null;
  return (
    <p className="note warn small">
      This reward compares with a reference answer, and the rows have none. Give a column the role “answer” or
      “reference” under Data.
    </p>
  );
}
