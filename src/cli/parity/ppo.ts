import { ppoObjective } from "../../algorithms/ppo.ts";
import { type PpoOptions, ppoTargets } from "../../losses/gae.ts";
import type { BatchRow } from "../../model/batch_tables.ts";
import type { NamedValues } from "../../model/loaded_model.ts";
import { Engine } from "../../trainer/engine.ts";
import { capacityOf } from "./dpo.ts";
import type { GoldenCase } from "./golden_case.ts";
import { type CaseResult, floats, optional, param, pick, readRollout, spread } from "./result.ts";
import { gradientsOf, NO_UPDATE } from "./rl_engine.ts";
import { type Mode, type Subject, trainableOf } from "./subject.ts";

const VALUE = "value.";

/** Advantages, returns, values, losses and gradients of one rollout that is one mini-batch. */
export async function runPpo(subject: Subject, golden: GoldenCase, mode: Mode): Promise<CaseResult> {
  const { joined, width } = await readRollout(golden);
  const [scores, old, oldValues] = [
    await floats(golden, "scores"),
    await floats(golden, "old_logps"),
    await floats(golden, "old_values"),
  ];
  const tokens = joined.reduce((sum, { targets }) => sum + targets.length, 0);
  const plain = joined.map(({ ids, targets }, key) => ({
    ...{ ids, key, targets, weights: targets.map(() => 1 / tokens) },
  }));
  const engine = await openEngine(subject, golden, mode, plain);
  const policy = await engine.score("policy", plain);
  const reference = await engine.score("reference", plain);
  const values = await engine.score("values", plain);
  const own = (data: Float32Array, row: number) =>
    pick(data, width, row, joined[row] ?? { ids: [], targets: [], columns: [] });
  const eos = [subject.model.config["eos_token_id"]].flat();
  const ends = (id: number | undefined) => eos.includes(id);
  const targets = ppoTargets(
    joined.map((_, i) => ({
      ...{ score: scores[i] ?? Number.NaN, ended: ends(joined[i]?.ids.at(-1)), oldLogp: own(old, i) },
      ...{ refLogp: reference[i] ?? [], values: own(oldValues, i) },
    })),
    targetSettings(golden),
  );
  const rows = plain.map((row, i) => ({
    ...row,
    columns: {
      oldLogp: own(old, i),
      oldValues: own(oldValues, i),
      advantages: targets.advantages[i] ?? [],
      returns: targets.returns[i] ?? [],
    },
  }));
  engine.accumulate(rows, { micro: 0, step: 0, seed: 0, noise: 0 });
  const gradients = await gradientsOf(engine);
  const report = await engine.update({ lr: 0, step: 0, micros: 1 }).read();
  const [micro] = report.micros;
  return {
    scalars: {
      loss: micro?.loss ?? Number.NaN,
      policy_loss: micro?.["policyLoss"] ?? Number.NaN,
      value_loss: micro?.["valueLoss"] ?? Number.NaN,
      entropy: (micro?.entropy ?? Number.NaN) / (micro?.live ?? Number.NaN),
    },
    tensors: new Map([
      ["advantages", spread(targets.advantages, joined, width)],
      ["returns", spread(targets.returns, joined, width)],
      ["values", spread(values, joined, width)],
      ["logps", spread(policy, joined, width)],
      ["ref_logps", spread(reference, joined, width)],
      ...[...gradients].map(([name, data]) => [nameOf(name), data] as const),
    ]),
  };
}

/** Policy, value model and their losses, with room for all rows at once. */
async function openEngine(
  subject: Subject,
  golden: GoldenCase,
  mode: Mode,
  rows: readonly BatchRow[],
): Promise<Engine> {
  const trainable = trainableOf(subject, false);
  if (trainable.kind !== "lora") throw new Error("the case has no adapter");
  return Engine.create(subject.gpu, {
    ...{ model: subject.model, spec: subject.spec, ...mode, trainable },
    reference: "base",
    value: {
      settings: trainable.settings,
      values: await valueAdapter(golden),
      head: Float32Array.from(await floats(golden, "value_head.weight")),
    },
    capacity: capacityOf(rows),
    micros: 1,
    maxLength: Math.max(...rows.map((row) => row.ids.length)),
    objective: ppoObjective({
      temperature: param(golden, "temperature"),
      cliprange: param(golden, "cliprange"),
      cliprange_value: param(golden, "cliprange_value"),
      vf_coef: param(golden, "vf_coef"),
    }),
    optimizer: NO_UPDATE,
  });
}

function targetSettings(golden: GoldenCase): PpoOptions {
  return {
    klCoef: param(golden, "kl_coef"),
    klEstimator: optional(golden, "kl_estimator", "k1" as const),
    missingEosPenalty: optional<number | null>(golden, "missing_eos_penalty", null),
    gamma: param(golden, "gamma"),
    lam: param(golden, "lam"),
    whitenRewards: optional(golden, "whiten_rewards", false),
  };
}

/** The collection's name of a gradient. */
function nameOf(name: string): string {
  return name === "value_head.weight" || name.startsWith(VALUE) ? `grad.${name}` : `grad.policy.${name}`;
}

async function valueAdapter(golden: GoldenCase): Promise<NamedValues> {
  const names = [...golden.inputs.keys()].filter((name) => name.startsWith(VALUE));
  return new Map(
    await Promise.all(
      names.map(async (name) => {
        const source = golden.inputs.get(name);
        const data = Float32Array.from(await floats(golden, name));
        return [name.slice(VALUE.length), { shape: source?.shape ?? [], data }] as const;
      }),
    ),
  );
}
