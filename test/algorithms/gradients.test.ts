import { describe, expect, it } from "vitest";
import type { GroupLossSettings } from "../../src/kernels/loss/group_loss.ts";
import { type PpoRow, ppoTargets } from "../../src/losses/gae.ts";
import type { RolloutRecord } from "../../src/rollout/record.ts";
import { testDevice } from "../gpu.ts";
import { dpoLoss } from "../reference/dpo_loss.ts";
import { worstErrorOfParts } from "../reference/finite_difference.ts";
import { groupLoss } from "../reference/group_loss.ts";
import { ppoPolicyLoss, valueLoss } from "../reference/ppo_loss.ts";
import { type Decoder, decoderTokens, type OracleToken } from "../reference/tiny_decoder.ts";
import { LORA, tinyAdapter, tinyModel } from "../tiny_model.ts";
import {
  gradientsByName,
  lastGradient,
  logged,
  type Scripted,
  scripted,
  type TinyMethod,
  tinyDpo,
  tinyGroup,
  tinyPairs,
  tinyPpo,
} from "./tiny_method.ts";

const gpu = await testDevice();
const tiny = await tinyModel("qwen3");

type Values = ReadonlyMap<string, ArrayLike<number>>;
type Settings = Readonly<Record<string, unknown>>;

/** The model with an adapter's values, in float64. */
function decoder(values: Values): Decoder {
  return { spec: tiny.spec, weights: tiny.weights, adapter: { settings: LORA, values } };
}

const START: Values = new Map([...tinyAdapter(tiny.spec)].map(([name, { data }]) => [name, data]));

async function paramsOf({ engine }: TinyMethod): Promise<Values> {
  const values = await engine.pool.read(gpu, "params");
  return new Map([...values].map(([name, { data }]) => [name, data]));
}

/** From an adapter whose numbers are all at work; steps that leave most ratios inside the clip range. */
const SETTINGS = { adapter_name_or_path: "adapter", learning_rate: 0.002 };

/** The policy, the value model's adapter, or its head, whose gradients differ in size. */
function partOf(name: string): string {
  if (name === "value_head.weight") return "value head";
  return name.startsWith("value.") ? "value adapter" : "policy";
}

/**
 * The step after `before` others: its loss and its gradients are those of float64. `loss` is a function of the values that
 * train, and of those that are not differentiated through.
 */
async function checkStep(
  made: TinyMethod,
  before: number,
  loss: (values: Values, frozen: Values, start: Values) => number,
): Promise<void> {
  const go = { request: "go" } as const;
  const start = await paramsOf(made);
  await made.run.train(go, before);
  const values = await paramsOf(made);
  await made.run.train(go, 1);
  const gradients = await gradientsByName(made);
  const expected = loss(values, values, start);
  const reported = logged(made, "loss").at(-1) ?? Number.NaN;
  // f32 sums of terms around 1 that cancel.
  expect(Math.abs(reported - expected)).toBeLessThan(2e-5 * Math.max(1, Math.abs(expected)));
  expect(Math.hypot(...(await lastGradient(made)))).toBeGreaterThan(1e-3);
  expect([...gradients.keys()].sort()).toEqual([...values.keys()].sort());
  const worst = worstErrorOfParts(values, gradients, partOf, (end) => loss(end, values, start));
  // The gradient's rounding and that of what the rollout kept, seen through a random direction.
  expect(worst.error, worst.name).toBeLessThan(1e-4);
}

describe("DPO's step", () => {
  const pairs = tinyPairs(tiny, [
    [5, 3],
    [2, 7],
    [4, 4],
    [1, 2],
  ]);

  it.each([
    ["sigmoid, two micro-batches", { batch_size: 3, gradient_accumulation_steps: 2 }, "sigmoid"],
    ["ipo", {}, "ipo"],
    ["aot, in passes", { forward_batch_size: 1 }, "aot"],
  ] as const)("has the gradient of the float64 model: %s", async (_, given, type) => {
    const settings: Settings = { ...SETTINGS, ...given, loss_type: type, max_steps: 3 };
    const made = await tinyDpo(gpu, { tiny, pairs, settings });
    const size = Number(settings["batch_size"] ?? 4);
    const micros = Array.from({ length: Math.ceil(4 / size) }, (__, i) =>
      pairs.slice(i * size, (i + 1) * size),
    );
    const side = (model: Decoder, { ids, firstTarget }: { ids: Int32Array; firstTarget: number }) => {
      const targets = Array.from({ length: ids.length - firstTarget }, (__, t) => firstTarget + t);
      return decoderTokens(model, { ids, targets });
    };
    const references = new Map(
      pairs.flatMap(({ chosen, rejected }) =>
        [chosen, rejected].map((row) => [row, side(decoder(START), row)] as const),
      ),
    );
    const tokens = (model: Decoder, row: (typeof pairs)[number]["chosen"]) =>
      side(model, row).map(({ logp, entropy, lse, meanLogp, logCollision, correct }, t) => ({
        ...{ logp, entropy, logit: meanLogp + lse, logCollision, correct },
        ref: references.get(row)?.[t]?.logp ?? Number.NaN,
      }));
    const oracle = {
      ...{ losses: [{ type, weight: 1 }], beta: 0.1, labelSmoothing: 0, divergence: "reverse_kl" as const },
      ...{ alphaCoef: 0.5, ldAlpha: null, referenceFree: false, weighting: false, discopopTau: 0.05 },
    };
    await checkStep(made, 2, (values) => {
      const model = decoder(values);
      return micros.reduce((sum, micro) => {
        const weight = 1 / (micro.length * micros.length);
        const rows = micro.map(({ chosen, rejected }) => ({
          ...{ chosen: tokens(model, chosen), rejected: tokens(model, rejected), weight, sftWeight: 0 },
        }));
        return sum + dpoLoss(rows, oracle).loss;
      }, 0);
    });
  });
});

const script = (group: number, sample: number): Scripted => ({
  length: 1 + ((5 * group + 3 * sample) % 7),
  rewards: [((7 * group + 4 * sample) % 9) / 3],
});

/** A recorded completion's tokens under a model. */
function completion(model: Decoder, record: RolloutRecord, temperature: number): OracleToken[] {
  const { prompt_ids: prompt, completion_ids: answer } = record;
  const targets = Array.from(answer, (_, t) => prompt.length + t);
  return decoderTokens(model, { ids: [...prompt, ...answer], targets }, temperature);
}

describe("the group methods' step", () => {
  const plain: GroupLossSettings = {
    ...{ lossType: "grpo", level: "token", epsilon: 0.2, epsilonHigh: 0.2, delta: null, beta: 0 },
    ...{ biasCorrection: false, topEntropyQuantile: 1, offPolicyThreshold: null, onPolicy: false },
  };
  const CASES: readonly (readonly [string, Settings, GroupLossSettings])[] = [
    ["grpo with a reference", { beta: 0.04, temperature: 0.7 }, { ...plain, beta: 0.04 }],
    [
      "gspo",
      { algorithm: "gspo", epsilon: 0.5, epsilon_high: 0.6, steps_per_generation: 1 },
      { ...plain, level: "sequence", epsilon: 0.5, epsilonHigh: 0.6 },
    ],
    ["dr_grpo", { algorithm: "dr_grpo" }, { ...plain, lossType: "dr_grpo" }],
    [
      "dapo with an entropy bonus of the least certain tokens, in passes",
      {
        algorithm: "dapo",
        overlong_penalty: false,
        entropy_coef: 0.05,
        top_entropy_quantile: 0.6,
        forward_batch_size: 3,
      },
      { ...plain, lossType: "dapo", epsilonHigh: 0.28, topEntropyQuantile: 0.6 },
    ],
  ];

  it.each(CASES)("has the gradient of the float64 model: %s", async (_, given, oracle) => {
    const settings: Settings = { ...SETTINGS, beta: 0, max_steps: 3, num_iterations: 3, ...given };
    const source = scripted(tiny, script);
    const made = await tinyGroup(gpu, { tiny, source, settings });
    const temperature = Number(settings["temperature"] ?? 1);
    const entropyCoef = Number(settings["entropy_coef"] ?? 0);
    let known: { old: OracleToken[][]; ref: OracleToken[][] } | undefined;
    await checkStep(made, 2, (values, frozen, start) => {
      const records = made.rollouts;
      const under = (adapter: Values) =>
        records.map((record) => completion(decoder(adapter), record, temperature));
      known ??= { old: under(start), ref: under(START) };
      const live = records.reduce((sum, { length }) => sum + length, 0);
      const weightOf = (tokens: number) => {
        if (oracle.lossType === "dapo") return 1 / live;
        return 1 / (records.length * (oracle.lossType === "dr_grpo" ? 12 : tokens));
      };
      const rowsOf = (adapter: Values) =>
        under(adapter).map((tokens, i) => ({
          advantage: records[i]?.advantage ?? Number.NaN,
          bonus: entropyCoef / live,
          tokens: tokens.map(({ logp, entropy, correct }, t) => ({
            ...{ logp, entropy, correct, weight: weightOf(tokens.length) },
            old: known?.old[i]?.[t]?.logp ?? Number.NaN,
            ref: known?.ref[i]?.[t]?.logp ?? Number.NaN,
          })),
        }));
      return groupLoss(rowsOf(values), oracle, values === frozen ? undefined : rowsOf(frozen)).loss;
    });
    expect(logged(made, "clip_ratio/region_mean").at(-1)).toBeLessThan(1);
  });
});

describe("PPO's step", () => {
  it("has the gradients of policy, value adapter and value head of the float64 model", async () => {
    const settings = { ...SETTINGS, max_steps: 4, num_ppo_epochs: 4, vf_coef: 0.5, temperature: 0.8 };
    const made = await tinyPpo(gpu, { tiny, source: scripted(tiny, script), settings });
    const options = {
      ...{ klCoef: 0.05, klEstimator: "k1" as const, missingEosPenalty: null },
      ...{ gamma: 1, lam: 0.95, whitenRewards: false },
    };
    /** Log-probabilities and values of each completion. */
    const under = (values: Values) => {
      const value = new Map(
        [...values].flatMap(([name, data]) => (name.startsWith("value.") ? [[name.slice(6), data]] : [])),
      );
      const head = Array.from(values.get("value_head.weight") ?? []);
      return made.rollouts.map((record) => ({
        logps: completion(decoder(values), record, 0.8).map(({ logp }) => logp),
        values: completion(decoder(value as Values), record, 1).map(({ hidden }) =>
          hidden.reduce((sum, x, i) => sum + x * (head[i] ?? 0), 0),
        ),
      }));
    };
    let known: { old: ReturnType<typeof under>; targets: ReturnType<typeof ppoTargets> } | undefined;
    await checkStep(made, 3, (values, _, start) => {
      if (!known) {
        const old = under(start);
        const rows = made.rollouts.map((record, i): PpoRow => {
          const refLogp = completion(decoder(START), record, 0.8).map(({ logp }) => logp);
          const { logps: oldLogp = [], values: estimates = [] } = old[i] ?? {};
          return { score: record.reward ?? 0, ended: true, oldLogp, refLogp, values: estimates };
        });
        known = { old, targets: ppoTargets(rows, options) };
      }
      const { old, targets } = known;
      const weight = 1 / made.rollouts.reduce((sum, { length }) => sum + length, 0);
      return under(values).reduce((sum, row, i) => {
        const of = (list: ArrayLike<number> | undefined, t: number) => list?.[t] ?? Number.NaN;
        const losses = row.logps.map((logp, t) => {
          const policy = { logp, old: of(old[i]?.logps, t), advantage: of(targets.advantages[i], t), weight };
          const value = {
            ...{
              value: of(row.values, t),
              old: of(old[i]?.values, t),
              target: of(targets.returns[i], t),
              weight,
            },
          };
          return ppoPolicyLoss(policy, 0.2).loss + 0.5 * valueLoss(value, 0.2, 0.5).loss;
        });
        return sum + losses.reduce((a, b) => a + b, 0);
      }, 0);
    });
  });
});
