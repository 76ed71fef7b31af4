import { dpoObjective } from "../../algorithms/dpo.ts";
import type { DpoLossSettings } from "../../kernels/loss/dpo_loss.ts";
import type { BatchRow } from "../../model/batch_tables.ts";
import { Engine } from "../../trainer/engine.ts";
import { type GoldenCase, integers, unpad } from "./golden_case.ts";
import { type CaseResult, optional, param } from "./result.ts";
import { gradientsOf, NO_UPDATE } from "./rl_engine.ts";
import { type Mode, type Subject, trainableOf } from "./subject.ts";

type Losses = DpoLossSettings["losses"];

function settingsOf(golden: GoldenCase): DpoLossSettings {
  const given = param<string | readonly string[]>(golden, "loss_type");
  const types = (typeof given === "string" ? [given] : given) as readonly Losses[number]["type"][];
  const weights = optional<readonly number[]>(golden, "loss_weights", []);
  return {
    losses: types.map((type, i) => ({ type, weight: weights[i] ?? 1 })),
    beta: param(golden, "beta"),
    labelSmoothing: optional(golden, "label_smoothing", 0),
    divergence: optional(golden, "f_divergence_type", "reverse_kl" as const),
    alphaCoef: optional(golden, "f_alpha_divergence_coef", 0.5),
    ldAlpha: optional<number | null>(golden, "ld_alpha", null),
    referenceFree: optional(golden, "reference_free", false),
    weighting: optional(golden, "use_weighting", false),
    discopopTau: optional(golden, "discopop_tau", 0.05),
  };
}

/** Loss, rewards and gradients of one batch of pairs; the reference is the model without its adapter. */
export async function runDpo(subject: Subject, golden: GoldenCase, mode: Mode): Promise<CaseResult> {
  const side = async (name: string) => {
    const ids = await integers(golden.inputs, `${name}_input_ids`);
    const mask = await integers(golden.inputs, `${name}_attention_mask`);
    const completion = await integers(golden.inputs, `${name}_completion_mask`);
    return unpad(ids, mask, completion).map(({ ids: row, labels }) => ({
      ids: row,
      targets: Array.from(row.keys()).filter((t) => t > 0 && labels?.[t] === 1),
    }));
  };
  const [chosen, rejected] = [await side("chosen"), await side("rejected")];
  const chosenTokens = chosen.reduce((sum, { targets }) => sum + targets.length, 0);
  const info = [1 / chosen.length, 1 / Math.max(1, chosenTokens)] as const;
  const rows: BatchRow[] = chosen.flatMap((row, i) =>
    [row, rejected[i] ?? row].map(({ ids, targets }) => ({
      ...{ ids, key: i, targets, weights: targets.map(() => 1), info },
    })),
  );
  const engine = await Engine.create(subject.gpu, {
    ...{ model: subject.model, spec: subject.spec, ...mode },
    trainable: trainableOf(subject, false),
    reference: "base",
    capacity: capacityOf(rows),
    micros: 1,
    maxLength: Math.max(...rows.map((row) => row.ids.length)),
    objective: dpoObjective(settingsOf(golden)),
    optimizer: NO_UPDATE,
  });
  const reference = await engine.score("reference", rows);
  const policy = await engine.score("evaluate", rows);
  const counts = engine.load(rows);
  engine.execute("reference", counts);
  engine.execute("train", counts);
  const gradients = await gradientsOf(engine);
  const report = await engine.update({ lr: 0, step: 0, micros: 1 }).read();
  const [micro] = report.micros;
  const mean = (name: string) => (micro?.[name] ?? Number.NaN) / chosen.length;
  const sums = (scores: readonly Float32Array[], first: number) =>
    Float32Array.from(
      chosen.map((_, i) => (scores[2 * i + first] ?? new Float32Array()).reduce((a, b) => a + b, 0)),
    );
  return {
    scalars: {
      loss: micro?.loss ?? Number.NaN,
      "rewards/chosen": mean("rewardsChosen"),
      "rewards/rejected": mean("rewardsRejected"),
      "rewards/accuracies": mean("rewardsAccuracies"),
      "rewards/margins": mean("rewardsChosen") - mean("rewardsRejected"),
    },
    tensors: new Map([
      ["chosen_logps", sums(policy, 0)],
      ["rejected_logps", sums(policy, 1)],
      ["ref_chosen_logps", sums(reference, 0)],
      ["ref_rejected_logps", sums(reference, 1)],
      ...[...gradients].map(([name, data]) => [`grad.${name}`, data] as const),
    ]),
  };
}

export function capacityOf(rows: readonly BatchRow[]) {
  return {
    N: rows.reduce((sum, row) => sum + row.ids.length, 0),
    M: Math.max(
      1,
      rows.reduce((sum, row) => sum + row.targets.length, 0),
    ),
    R: rows.length,
  };
}
