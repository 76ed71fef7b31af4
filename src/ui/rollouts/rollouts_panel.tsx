import { ChevronLeft, ChevronRight } from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";
import type { RolloutSet } from "../../protocol/runs.ts";
import { loadRollout } from "../../store/run_actions.ts";
import type { RunView } from "../../store/runs.ts";
import { formatCount, plural } from "../format.ts";
import { GroupCard } from "./group_card.tsx";
import { groupAnswers, type Order, rewardNames, widestAdvantage } from "./groups.ts";
import "../styles/rollouts.css";

const MOST_GROUPS = 12;

/** What the model answered, what each answer was worth, and which way it was pushed. */
export function RolloutsPanel({ run, going }: { run: RunView; going: boolean }) {
  const [held, setHeld] = useState<number | null>(null);
  const steps = run.rolloutSteps;
  const step = held ?? steps.at(-1) ?? null;
  const set = run.rollouts.find((rollout) => rollout.step === step) ?? null;
  // What was in sight stays until the next is here, so that nothing jumps.
  const last = useRef<RolloutSet | null>(null);
  if (set) last.current = set;
  const visible = set ?? last.current;
  const { id } = run;
  useEffect(() => {
    void loadRollout(id, step);
  }, [id, step]);
  return (
    <section className="card rollouts" aria-labelledby="rollouts-title">
      <div className="row wrap between">
        <h2 id="rollouts-title">Rollouts</h2>
        {steps.length > 0 && step !== null && (
          <StepPicker steps={steps} step={step} held={held !== null} going={going} onHold={setHeld} />
        )}
      </div>
      {visible ? (
        <div className={set ? "stack" : "stack rollouts-busy"} aria-busy={set === null}>
          <Shown set={visible} />
        </div>
      ) : (
        <Nothing waiting={step !== null} going={going} />
      )}
    </section>
  );
}

function Nothing({ waiting, going }: { waiting: boolean; going: boolean }) {
  return (
    <p className="muted rollouts-empty">
      {waiting
        ? "Reading the answers…"
        : going
          ? "The first answers come with the first step: several to each prompt, with what each is worth."
          : "This run has kept no answers."}
    </p>
  );
}

interface StepPickerProps {
  readonly steps: readonly number[];
  readonly step: number;
  readonly held: boolean;
  readonly going: boolean;
  readonly onHold: (step: number | null) => void;
}

/** Goes from rollout to rollout. Live answers do not scroll away under whoever reads them. */
function StepPicker({ steps, step, held, going, onHold }: StepPickerProps) {
  const at = Math.max(0, steps.indexOf(step));
  const last = steps.length - 1;
  const go = (index: number) => onHold(!going && index === last ? null : (steps[index] ?? null));
  return (
    <div className="row wrap step-picker">
      <button
        type="button"
        className="icon-button"
        aria-label="Rollout before"
        disabled={at === 0}
        onClick={() => go(at - 1)}
      >
        <ChevronLeft size={16} aria-hidden />
      </button>
      <input
        type="range"
        aria-label="Step of the rollout"
        min={0}
        max={Math.max(1, last)}
        value={at}
        disabled={last === 0}
        aria-valuetext={`Step ${step}`}
        onChange={(event) => go(Number(event.target.value))}
      />
      <button
        type="button"
        className="icon-button"
        aria-label="Next rollout"
        disabled={at >= last}
        onClick={() => go(at + 1)}
      >
        <ChevronRight size={16} aria-hidden />
      </button>
      <span className="step-label">Step {formatCount(step)}</span>
      {going && (
        <button
          type="button"
          className="button"
          aria-pressed={held}
          onClick={() => onHold(held ? null : step)}
        >
          {held ? "Follow the latest" : "Hold"}
        </button>
      )}
    </div>
  );
}

const ORDERS: readonly (readonly [Order, string])[] = [
  ["made", "As made"],
  ["best", "Best reward first"],
  ["worst", "Worst reward first"],
];

function Shown({ set }: { set: RolloutSet }) {
  const [order, setOrder] = useState<Order>("made");
  const [onlySame, setOnlySame] = useState(false);
  const [all, setAll] = useState(false);
  const { answers } = set;
  const groups = useMemo(() => groupAnswers(answers), [answers]);
  const names = useMemo(() => rewardNames(answers), [answers]);
  const widest = useMemo(() => widestAdvantage(answers), [answers]);
  const same = groups.filter(({ isSame }) => isSame);
  const grouped = groups.some(({ answers: own }) => own.length > 1);
  const wanted = onlySame ? same : groups;
  const shownGroups = all ? wanted : wanted.slice(0, MOST_GROUPS);
  return (
    <>
      <div className="row wrap between">
        <p className="muted small">
          {plural(answers.length, "answer")} to {plural(groups.length, "prompt")}
          {grouped && `; ${same.length === 0 ? "no group" : plural(same.length, "group")} without a signal`}
        </p>
        <div className="row wrap">
          {grouped && (
            <label className="check small">
              <input
                type="checkbox"
                checked={onlySame}
                onChange={(event) => setOnlySame(event.target.checked)}
              />
              Only groups with all the same reward
            </label>
          )}
          <label className="row small">
            <span className="muted">Order</span>
            <select
              className="select step-select"
              value={order}
              onChange={(event) =>
                setOrder(ORDERS.find(([name]) => name === event.target.value)?.[0] ?? "made")
              }
            >
              {ORDERS.map(([name, label]) => (
                <option key={name} value={name}>
                  {label}
                </option>
              ))}
            </select>
          </label>
        </div>
      </div>
      {wanted.length === 0 && <p className="muted">Every group of this step has a signal.</p>}
      {shownGroups.map((group) => (
        <GroupCard key={group.id} group={group} names={names} widest={widest} order={order} />
      ))}
      {wanted.length > shownGroups.length && (
        <button type="button" className="button" onClick={() => setAll(true)}>
          Show all {formatCount(wanted.length)} prompts
        </button>
      )}
    </>
  );
}
