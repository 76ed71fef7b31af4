import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { copyProgram, type Ended, type Program } from "./cli_program.ts";

const STEPS = 4;
/** Two micro-batches a rollout that is used twice, so that a checkpoint falls into the middle of one. */
const CONFIG = `algorithm: grpo
model_name: aligntune-tiny
dataset_name: sums.jsonl
val_split_ratio: 0
test_split_ratio: 0
rewards:
  - type: accuracy
  - type: custom
    weight: 0.1
    params:
      reward_function: rewards.js#marked
max_steps: ${STEPS}
batch_size: 8
num_generations: 4
steps_per_generation: 2
num_iterations: 2
gradient_accumulation_steps: 2
max_completion_length: 10
max_seq_length: 40
learning_rate: 0.01
beta: 0.04
lora_rank: 4
logging_steps: 1
save_steps: 1
`;
/** Fails on the sums that begin with 9, and says how it was called. */
const REWARDS = `// Rewards of this run.
export function marked(text, reference, { row }) {
  if (row.prompt.startsWith("9")) throw new Error("no sums with nines");
  return text.includes("####") && reference !== null ? 1 : 0;
}
`;

let program: Program;
let whole: Ended;

beforeAll(async () => {
  program = copyProgram();
  program.write("run.yaml", CONFIG);
  program.write("rewards.js", REWARDS);
  const sums = Array.from({ length: 16 }, (_, i) => [i === 3 ? 95 : 11 + 3 * i, 20 + i] as const);
  const rows = sums.map(([a, b]) => JSON.stringify({ prompt: `${a}+${b}=?`, answer: `${a + b}` }));
  program.write("sums.jsonl", rows.join("\n"));
  whole = await program.run(train("whole"));
});

afterAll(() => program.remove());

const train = (output: string, ...more: string[]) => [
  ...["train", "--json", "--config", "run.yaml", "--output", output],
  ...more,
];
const read = (path: string) => readFileSync(join(program.folder, path), "latin1");
const records = (output: string) =>
  read(`${output}/rollouts.jsonl`)
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

describe("a run with rewards on the command line", { timeout: 120_000 }, () => {
  it("keeps every answer with what each reward said of it", () => {
    expect([whole.code, whole.stderr.includes("Error")]).toEqual([0, false]);
    const answers = records("whole");
    expect(answers).toHaveLength(32);
    for (const answer of answers) {
      expect(answer.completion_ids.length).toBe(answer.length);
      expect([0, 1]).toContain(answer.rewards.accuracy);
      const asked = String(JSON.parse(read("sums.jsonl").split("\n")[answer.row] ?? "").answer);
      expect(answer.reference).toBe(asked);
      const { marked } = answer.rewards;
      const nines = answer.prompt.at(-1).content.startsWith("9");
      if (nines) {
        expect(marked).toBeNull();
        expect(answer.errors.marked).toBe("Error: no sums with nines (line 3)");
      } else
        expect(marked).toBe(answer.completion.includes("####") || /####/.test(answer.completion) ? 1 : 0);
      expect(answer.reward).toBeCloseTo(answer.rewards.accuracy + 0.1 * (marked ?? 0), 6);
    }
    const group = answers.filter(({ group: of }) => of === answers[0].group);
    expect(group).toHaveLength(4);
    expect(group.reduce((sum, { advantage }) => sum + advantage, 0)).toBeCloseTo(0, 5);
  });

  it("logs rewards at the steps in which a rollout began", () => {
    const lines = whole.lines().filter((line) => "loss" in line);
    expect(lines.map((line) => "reward" in line)).toEqual([true, false, true, false]);
    expect(lines[0]).toMatchObject({ kl: 0, "clip_ratio/low_mean": 0, "clip_ratio/high_mean": 0 });
    expect(lines[0]?.["sampling/sampling_logp_difference/max"]).toBeLessThan(1e-3);
  });

  it("goes on after it was killed in the middle of a rollout, to the same bytes", async () => {
    const killed = await program.runAndSignal(
      train("killed"),
      "SIGKILL",
      (line) => line["step"] === 1 && "checkpoint" in line,
    );
    expect(killed.code).toBeNull();
    const resumed = await program.run(["train", "--json", "--resume", "--output", "killed"]);
    expect(resumed.code).toBe(0);
    for (const file of ["adapter_model.safetensors", "metrics.jsonl", "rollouts.jsonl"])
      expect(read(`killed/${file}`) === read(`whole/${file}`), file).toBe(true);
  });

  it("can be trained again from what it saw, to the same adapter", async () => {
    const again = await program.run(
      train("again", "--set", "rollouts_path=whole/rollouts.jsonl", "--set", "dataset_name=null"),
    );
    expect([again.code, again.stderr]).toEqual([0, again.stderr]);
    expect(read("again/adapter_model.safetensors") === read("whole/adapter_model.safetensors")).toBe(true);
  });

  it("refuses rewards that compare with a reference where no row has one", async () => {
    program.write("prompts.jsonl", '{"prompt":"1+1=?"}\n{"prompt":"2+2=?"}\n{"prompt":"2+3=?"}');
    const refused = await program.run(
      train("none", "--set", "dataset_name=prompts.jsonl", "--set", "rewards=accuracy"),
    );
    expect([refused.code, refused.stdout + refused.stderr]).toEqual([
      2,
      expect.stringMatching(/accuracy compares answers with a reference, and the rows have none/),
    ]);
  });
});
