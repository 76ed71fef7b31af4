import type { EngineNeeds } from "../../src/algorithms/algorithm.ts";
import { preferencePlan } from "../../src/algorithms/dpo.ts";
import { GroupMethod, groupPlan } from "../../src/algorithms/grpo.ts";
import { ProximalPolicyOptimization, ppoPlan } from "../../src/algorithms/ppo.ts";
import type { Completion, RolloutSource } from "../../src/algorithms/rollout.ts";
import type { DpoConfig, GroupConfig, PpoConfig, RunConfig } from "../../src/config/fields.ts";
import { readSettings } from "../../src/config/read_settings.ts";
import { resolveOrThrow } from "../../src/config/resolve.ts";
import type { PreferencePair } from "../../src/data/preference_examples.ts";
import { rowsInMemory } from "../../src/data/train_rows.ts";
import { adapterFiles } from "../../src/formats/adapter.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import type { CheckpointStore, Folder } from "../../src/host/host.ts";
import { memoryFolder } from "../../src/host/memory.ts";
import { Random } from "../../src/lib/random.ts";
import { peftKey } from "../../src/model/lora.ts";
import { projectionsOf } from "../../src/model/spec.ts";
import type { RolloutRecord } from "../../src/rollout/record.ts";
import { memoryCheckpoints } from "../../src/storage/memory_checkpoints.ts";
import { Engine } from "../../src/trainer/engine.ts";
import { engineOptions, referenceOf, startOf, valueStart } from "../../src/trainer/engine_for.ts";
import type { EngineOptions } from "../../src/trainer/engine_parts.ts";
import type { Method, MethodEvents } from "../../src/trainer/method.ts";
import { TrainingRun } from "../../src/trainer/training_run.ts";
import { LORA, type Tiny, tinyAdapter } from "../tiny_model.ts";
import { type LogLine, stateOf } from "../trainer/tiny_run.ts";

type Settings = Readonly<Record<string, unknown>>;

export interface TinyMethodOptions {
  readonly tiny: Tiny;
  readonly settings: Settings;
  readonly checkpoints?: CheckpointStore;
}

/** A run of the real loop with the real method, and everything that it said. */
export interface TinyMethod {
  readonly run: TrainingRun;
  readonly engine: Engine;
  readonly options: EngineOptions;
  readonly method: Method;
  readonly log: LogLine[];
  readonly notes: string[];
  readonly rollouts: RolloutRecord[];
  /** Everything that a step changes, as bytes by name. */
  state(): Promise<ReadonlyMap<string, Uint8Array>>;
}

/**
 * Without clipping and without memory AdamW's first moment is the gradient of the last step as it is; a constant rate lets
 * every step move.
 */
const DEFAULTS = {
  ...{ model_name: "tiny", dataset_name: "rows", save_strategy: "no", logging_steps: 1, lora_rank: 4 },
  ...{ adam_beta1: 0, max_grad_norm: 0, lr_scheduler: "constant", learning_rate: 0.01, batch_size: 4 },
  ...{ train_sampling_strategy: "sequential", max_seq_length: 48, max_steps: 1 },
};

export function configOf<C extends RunConfig>(settings: Settings): C {
  return resolveOrThrow({ override: readSettings({ ...DEFAULTS, ...settings }) }).config as C;
}

async function openMethod(
  gpu: Gpu,
  { tiny, checkpoints = memoryCheckpoints() }: TinyMethodOptions,
  config: RunConfig,
  plan: EngineNeeds,
  start: (engine: Engine, events: MethodEvents) => Promise<Method>,
): Promise<TinyMethod> {
  const host = { openAdapter: async () => tinyAdapterFolder(tiny) };
  const started = await startOf(host, tiny.spec, config);
  const options = engineOptions(config, {
    ...{ model: tiny.model, spec: tiny.spec, trainable: started.trainable, profile: undefined },
    ...{ objective: plan.objective, micros: plan.micros, maxLength: plan.maxLength },
    ...{ capacity: plan.capacity, whole: plan.whole },
    reference: plan.needs.reference ? referenceOf(config) : undefined,
    value: plan.needs.value ? valueStart(tiny.spec, config, started) : undefined,
    onBytes: () => {},
  });
  const engine = await Engine.create(gpu, options);
  const log: LogLine[] = [];
  const notes: string[] = [];
  const rollouts: RolloutRecord[] = [];
  const events = {
    metrics: (step: number, values: LogLine) => log.push({ step, ...values }),
    step: () => {},
    checkpoint: () => {},
    sample: async () => {},
    note: (text: string) => notes.push(text),
    rollout: (records: readonly RolloutRecord[]) => rollouts.push(...records),
  };
  const method = await start(engine, events);
  const parts = { run: "run", backend: "trl" as const, configText: "" };
  const run = new TrainingRun({ ...parts, engine, config, method, checkpoints, events });
  return {
    ...{ run, engine, options, method, log, notes, rollouts },
    state: async () => new Map([...(await stateOf(engine)), ...(await referenceState(engine))]),
  };
}

async function referenceState(engine: Engine): Promise<[string, Uint8Array][]> {
  const moving = engine.model.reference?.moving ?? [];
  return Promise.all(
    moving.map(async ({ own }, i) => [`reference.${i}`, new Uint8Array(await engine.gpu.read(own))]),
  );
}

/** tinyAdapter as a folder of PEFT's: what `adapter_name_or_path` opens, whatever its name. */
async function tinyAdapterFolder({ spec }: Tiny): Promise<Folder> {
  const values = tinyAdapter(spec);
  const data = (module: string, side: "A" | "B") =>
    values.get(peftKey(module, side))?.data ?? new Float32Array();
  const modules = projectionsOf(spec).map(({ module, inputs, outputs }) => ({
    ...{ path: module, inSize: inputs, outSize: outputs, a: data(module, "A"), b: data(module, "B") },
  }));
  const last = ({ path }: { readonly path: string }) => path.slice(path.lastIndexOf(".") + 1);
  const config = {
    ...{ r: LORA.rank, loraAlpha: LORA.alpha, loraDropout: 0, useRslora: false },
    ...{ targetModules: [...new Set(modules.map(last))], fanInFanOut: spec.conv1d },
    ...{ baseModel: null, revision: null },
  };
  const files = await adapterFiles(config, modules);
  return memoryFolder("adapter", new Map(Object.entries(files)));
}

export interface TinyDpoOptions extends TinyMethodOptions {
  readonly pairs: readonly PreferencePair[];
  readonly validation?: readonly PreferencePair[];
}

export async function tinyDpo(gpu: Gpu, options: TinyDpoOptions): Promise<TinyMethod> {
  const config = configOf<DpoConfig>({ algorithm: "dpo", ...options.settings });
  const train = rowsInMemory(options.pairs, {
    ...{ strategy: config.train_sampling_strategy, seed: config.data_seed ?? config.seed },
    ...{
      batchSize: config.batch_size,
      lengthOf: ({ chosen, rejected }) => chosen.ids.length + rejected.ids.length,
    },
  });
  const data = { train, validation: options.validation ?? [] };
  const plan = preferencePlan(config, data);
  const host = undefined as never; // pairs are here already
  return openMethod(gpu, options, config, plan, (engine, events) =>
    plan.start({ gpu, engine, host, events, baseFormat: "stored" }),
  );
}

/** Pairs of random answers of the given lengths to random prompts. */
export function tinyPairs(tiny: Tiny, lengths: readonly (readonly [number, number])[]): PreferencePair[] {
  return lengths.map(([chosen, rejected], rowIndex) => {
    const random = new Random(77, rowIndex);
    const some = (length: number) => Int32Array.from({ length }, () => random.integer(tiny.spec.vocab));
    const promptIds = some(2 + (rowIndex % 3));
    const side = (length: number) => ({
      ids: Int32Array.from([...promptIds, ...some(length)]),
      firstTarget: promptIds.length,
    });
    return { promptIds, chosen: side(chosen), rejected: side(rejected), rowIndex };
  });
}

/** What a script says of one completion; the rest follows from where it stands. */
export interface Scripted {
  readonly length: number;
  readonly rewards: readonly (number | null)[];
  readonly truncated?: boolean;
  /** Other tokens than those of the same place without it. */
  readonly salt?: number;
}

export interface ScriptedSource extends RolloutSource {
  /** Groups that were asked for, call by call. */
  readonly asked: number[];
}

const LONGEST_PROMPT = 4;
const LONGEST_COMPLETION = 12;

/**
 * Completions as a script has them, of random tokens: the same place gives the same completion. After `prompts` of them the
 * prompts come again.
 */
export function scripted(
  tiny: Tiny,
  script: (group: number, sample: number) => Scripted,
  prompts = Number.POSITIVE_INFINITY,
): ScriptedSource {
  let taken = 0;
  const asked: number[] = [];
  const tokens = (random: Random, length: number) =>
    Array.from({ length }, () => random.integer(tiny.spec.vocab));
  return {
    asked,
    evaluate: undefined,
    close: () => {},
    get place() {
      return { epoch: taken / 8, endsEpoch: taken % 8 === 0 };
    },
    rolloutsPerEpoch: () => 8,
    async next(groups, samplesPerPrompt) {
      asked.push(groups);
      const completions = Array.from({ length: groups * samplesPerPrompt }, (_, i): Completion => {
        const group = taken + Math.floor(i / samplesPerPrompt);
        const sample = i % samplesPerPrompt;
        const prompt = group % prompts;
        const { length, rewards, truncated = false, salt = 0 } = script(prompt, sample);
        return {
          ...{ group, prompt: `prompt ${prompt}`, text: "", reference: null, row: null, decoderLogps: [] },
          promptIds: tokens(new Random(5, prompt), 2 + (prompt % (LONGEST_PROMPT - 1))),
          ids: tokens(new Random(1000 * prompt + sample, salt), length),
          ...{ truncated, rewards },
        };
      });
      taken += groups;
      return { completions, pause: undefined };
    },
    state: () => ({ taken }),
    restore: (state) => {
      ({ taken } = state as { taken: number });
    },
  };
}

export interface TinyRlOptions extends TinyMethodOptions {
  readonly source: RolloutSource;
}

const REWARDS = { max_completion_length: LONGEST_COMPLETION, max_prompt_length: LONGEST_PROMPT };
const LENGTHS = { maxLength: LONGEST_PROMPT + LONGEST_COMPLETION, maxCompletion: LONGEST_COMPLETION };

/** grpo, unless the settings name another one of the family. */
export async function tinyGroup(gpu: Gpu, options: TinyRlOptions): Promise<TinyMethod> {
  const config = configOf<GroupConfig>({
    ...{ algorithm: "grpo", num_generations: 4, rewards: ["length"], ...REWARDS },
    ...options.settings,
  });
  return openMethod(
    gpu,
    options,
    config,
    groupPlan(config, LENGTHS),
    async (engine, events) => new GroupMethod(engine, config, options.source, events),
  );
}

export async function tinyPpo(gpu: Gpu, options: TinyRlOptions): Promise<TinyMethod> {
  const config = configOf<PpoConfig>({
    ...{ algorithm: "ppo", rewards: ["length"], ...REWARDS },
    ...options.settings,
  });
  return openMethod(
    gpu,
    options,
    config,
    ppoPlan(config, LENGTHS),
    async (engine, events) => new ProximalPolicyOptimization(engine, config, options.source, events),
  );
}

/** The gradient of the last step, where AdamW was left without memory and clipping. */
export async function lastGradient({ engine }: Pick<TinyMethod, "engine">): Promise<Float32Array> {
  const moments = engine.optimizer.tensors.filter(([name]) => name.startsWith("m."));
  const parts = await Promise.all(moments.map(([, tensor]) => engine.gpu.readFloats(tensor)));
  return Float32Array.from(parts.flatMap((part) => [...part]));
}

/** The same by the names in files. */
export async function gradientsByName(
  made: Pick<TinyMethod, "engine">,
): Promise<Map<string, { readonly data: Float32Array }>> {
  const gradient = await lastGradient(made);
  const { shards } = made.engine.pool;
  const found = new Map<string, { readonly data: Float32Array }>();
  let start = 0;
  for (const { entries, count } of shards) {
    for (const { offset, names } of entries) {
      for (const { name, shape, first } of names) {
        const at = start + offset + first;
        found.set(name, { data: gradient.slice(at, at + shape.reduce((a, b) => a * b, 1)) });
      }
    }
    start += count;
  }
  return found;
}

/** a x + b y + ..., as numbers. */
export function combination(
  ...terms: readonly (readonly [weight: number, of: Float32Array])[]
): Float64Array {
  const length = terms[0]?.[1].length ?? 0;
  return Float64Array.from({ length }, (_, i) => terms.reduce((sum, [w, of]) => sum + w * (of[i] ?? 0), 0));
}

/** The value of a name in a line of the log. */
export function logged(made: Pick<TinyMethod, "log">, name: string): number[] {
  return made.log.flatMap((line) => (line[name] === undefined ? [] : [line[name]]));
}
