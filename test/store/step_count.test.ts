import { describe, expect, it } from "vitest";
import { stepCount } from "../../src/store/step_count.ts";

const steps = (values: Readonly<Record<string, number>>, rows?: number): number | undefined =>
  stepCount({ num_epochs: 1, batch_size: 8, ...values }, rows)?.steps;

describe("the steps of a run", () => {
  it("are those that were given", () => {
    expect(stepCount({ max_steps: 40, num_epochs: 3, batch_size: 8 }, 1000)).toEqual({
      steps: 40,
      exact: true,
    });
  });

  it("go once through the rows in an epoch", () => {
    expect(steps({}, 100)).toBe(13);
    expect(steps({ gradient_accumulation_steps: 2, num_epochs: 2 }, 100)).toBe(14);
  });

  it("count answers and not prompts where each prompt has a group of them", () => {
    expect(steps({ num_generations: 8 }, 100)).toBe(100);
    expect(steps({ num_generations: 8, batch_size: 64, num_iterations: 2 }, 100)).toBe(26);
  });

  it("count PPO's passes over each rollout", () => {
    expect(steps({ num_ppo_epochs: 4, num_mini_batches: 1 }, 100)).toBe(52);
  });

  it("are unknown before the rows are", () => {
    expect(stepCount({ num_epochs: 1, batch_size: 8 }, undefined)).toBeNull();
  });
});
