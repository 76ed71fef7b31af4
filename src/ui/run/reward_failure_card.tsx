import { TriangleAlert } from "lucide-react";
import { navigate } from "wouter/use-hash-location";
import { editReward } from "../../store/reward_focus.ts";
import { formatCount } from "../format.ts";
import type { RewardFailure } from "./reward_failure.ts";

interface RewardFailureCardProps {
  readonly runId: string;
  readonly failure: RewardFailure;
}

/** Why a run was paused by one of its rewards, and the way to the line that failed. */
export function RewardFailureCard({ runId, failure }: RewardFailureCardProps) {
  const { name, index, failures, answers, message, completion, row } = failure;
  const edit = () => void editReward(runId, { index, completion }, row).then(() => navigate("/new"));
  return (
    <section className="error-card" role="alert">
      <TriangleAlert size={20} aria-hidden className="error-icon" />
      <div className="error-content">
        <h2>
          The reward {name} failed on {formatCount(failures)} of {formatCount(answers)} answers
        </h2>
        <p className="error-cause">{message}</p>
        <p className="muted">
          The run paused: answers without a score teach nothing. A corrected reward needs a new run. Stop and
          keep this one first if the new one is to start from what it has learned, or continue as it is.
        </p>
        <div className="row wrap">
          <button type="button" className="button" onClick={edit}>
            Edit the reward
          </button>
        </div>
      </div>
    </section>
  );
}
