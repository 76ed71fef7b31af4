import { loadChatTemplate } from "../data/chat_template.ts";
import { type EncodeTools, encodePlain, renderChat } from "../data/encode_turns.ts";
import type { Turns } from "../data/example.ts";
import { loadTokenizer } from "../data/tokenizer.ts";
import { type ModelFolder, openModelFolder } from "../formats/model_folder.ts";
import type { TensorSource } from "../formats/safetensors.ts";
import type { Arena } from "../gpu/arena.ts";
import type { Capabilities, Gpu } from "../gpu/device.ts";
import { type DryBuffer, dryGpu } from "../gpu/dry_device.ts";
import { arenaBytes, type Program, planPrograms, programBytes } from "../gpu/program.ts";
import { ReadbackRing } from "../gpu/readback.ts";
import { Recorder } from "../gpu/recorder.ts";
import { ZERO_STEP } from "../gpu/step.ts";
import type { Tensor } from "../gpu/tensor.ts";
import type { Host } from "../host/host.ts";
import { linearNt } from "../kernels/linear/linear_nt.ts";
import type { KernelProfile } from "../kernels/profile.ts";
import { AppError } from "../lib/errors.ts";
import { type BatchRow, BatchTables, type Capacity } from "../model/batch_tables.ts";
import { type ModelContext, uploadRope } from "../model/context.ts";
import { decoderForward } from "../model/decoder.ts";
import { loadFrozen } from "../model/loaded_model.ts";
import { readModelSpec } from "../model/registry.ts";
import { longFrom, type ModelSpec } from "../model/spec.ts";
import type { BaseFormat } from "../model/weights.ts";
import { fittingParts } from "./engine.ts";
import { withoutContent } from "./memory_plan.ts";

/** A prompt with an answer to it. */
export interface ScoredText {
  readonly prompt: Turns;
  readonly completion: string;
}

/** A reward model whose files have been checked; no device is touched yet. */
export interface RewardModelFiles {
  readonly model: ModelFolder;
  readonly spec: ModelSpec;
  /** Its own tokenizer and chat template. */
  readonly tools: EncodeTools;
  /** (1, hidden) */
  readonly head: TensorSource;
  readonly padId: number | undefined;
}

export interface RewardModelOptions {
  readonly files: RewardModelFiles;
  readonly baseFormat: BaseFormat;
  /** Of one pass; rows are cut to N tokens where the model has more positions. */
  readonly capacity: Pick<Capacity, "N" | "R">;
  readonly profile: KernelProfile;
  /** Scratch memory of programs that never run while answers are scored, to be shared; of its own when absent. */
  readonly arena?: Arena | undefined;
}

const HEAD = "score.weight";
const KIND =
  "A reward model is a sequence classification model of one label: config.json names an architecture that ends in ForSequenceClassification, and score.weight is (1, hidden size).";

/**
 * Opens a model in the layout of transformers' sequence classification models of one label. Throws `model-invalid` and
 * `model-unsupported` for another kind of model, and what its files can be refused for.
 */
export async function openRewardModel(
  host: Pick<Host, "openModel">,
  name: string,
): Promise<RewardModelFiles> {
  const folder = await host.openModel(name);
  if (!(await folder.open("config.json")) && (await folder.open("adapter_config.json"))) {
    throw refused(name, "is an adapter. Merge it into its base model and name the result.");
  }
  const model = await openModelFolder(folder);
  const { config, tensors } = model;
  const [architecture] = Array.isArray(config["architectures"]) ? config["architectures"].map(String) : [];
  if (architecture === undefined) {
    throw refused(name, `does not say what it is: its config.json has no architectures. ${KIND}`);
  }
  if (!architecture.endsWith("ForSequenceClassification")) {
    throw refused(name, `is a ${architecture}, which gives no score. ${KIND}`);
  }
  const spec = specOf(name, config);
  const tokenizer = await loadTokenizer(folder);
  if (tokenizer.vocabSize > spec.vocab) {
    throw refused(
      name,
      `has a tokenizer of ${tokenizer.vocabSize} tokens and a model of ${spec.vocab}: they do not belong together.`,
    );
  }
  const head = tensors.get(HEAD);
  if (!head) {
    const other = ["classifier.weight", "score.dense.weight", "lm_head.weight"].find((key) =>
      tensors.has(key),
    );
    throw refused(name, `has no ${HEAD}${other ? `, but ${other}` : ""}. ${KIND}`);
  }
  const [labels, hidden] = head.shape;
  if (labels !== 1) {
    throw refused(name, `has ${labels} labels, and a reward is one number. ${KIND}`, { labels });
  }
  if (head.shape.length !== 2 || hidden !== spec.hidden) {
    throw refused(
      name,
      `has a ${HEAD} of (${head.shape.join(", ")}), but config.json makes it (1, ${spec.hidden}).`,
    );
  }
  if (tensors.has("score.bias")) {
    throw refused(name, `has a score.bias, which transformers' models do not have. ${KIND}`);
  }
  const pad = config["pad_token_id"];
  const tools = { tokenizer, template: await loadChatTemplate(folder, tokenizer) };
  return { model, spec, tools, head, padId: typeof pad === "number" ? pad : undefined };
}

/** There is no head over the vocabulary in the file; the embedding in its place takes no memory. */
function specOf(name: string, config: ModelFolder["config"]): ModelSpec {
  try {
    const spec = readModelSpec(config);
    return { ...spec, head: spec.embedding };
  } catch (cause) {
    if (!(cause instanceof AppError)) throw cause;
    throw new AppError(cause.code, `The reward model ${name} cannot be used. ${cause.message}`, {
      details: { ...cause.details, key: "reward_model_name" },
      cause,
    });
  }
}

function refused(name: string, what: string, details: Record<string, unknown> = {}): AppError {
  return new AppError("model-invalid", `reward_model_name: ${name} ${what}`, {
    details: { ...details, key: "reward_model_name" },
  });
}

/** Throws `template-invalid` when the reward model cannot be shown one of these prompts. */
export function checkPrompts({ tools, model }: RewardModelFiles, prompts: readonly Turns[]): void {
  for (const prompt of prompts) {
    if (typeof prompt === "string") continue;
    if (!tools.template) {
      throw new AppError(
        "template-invalid",
        `The prompts are conversations, and the reward model ${model.name} has no chat template to show them with. Add chat_template.jinja to its folder, or give prompts as plain text.`,
        { details: { key: "reward_model_name" } },
      );
    }
    textOf({ prompt, completion: "" }, tools);
  }
}

/** A conversation that ends with the answer, or one text after the other. */
function textOf({ prompt, completion }: ScoredText, tools: EncodeTools): string {
  if (typeof prompt === "string") return prompt + completion;
  return renderChat([...prompt, { role: "assistant", content: completion }], tools, false, undefined);
}

/**
 * A frozen model that gives one number for a prompt with its answer: score.weight times the final normed hidden state of the
 * last token, as transformers' sequence classification models. Everything is allocated when it is made.
 */
export class RewardModel {
  readonly name: string;
  /** Longer rows lose their beginning. */
  readonly maxLength: number;
  readonly #gpu: Gpu;
  readonly #files: RewardModelFiles;
  readonly #parts: Parts;
  readonly #program: Program;

  private constructor(gpu: Gpu, files: RewardModelFiles, parts: Parts, program: Program) {
    this.name = files.model.name;
    this.maxLength = parts.maxLength;
    this.#gpu = gpu;
    this.#files = files;
    this.#parts = parts;
    this.#program = program;
  }

  /** Throws `model-*` and `file-invalid` for damaged files, `gpu-out-of-memory`. */
  static async create(gpu: Gpu, options: RewardModelOptions): Promise<RewardModel> {
    const parts = await makeParts(gpu, options);
    const [program] = await planPrograms(gpu, [parts.recorder], options.arena);
    if (!program) throw new Error("nothing was planned");
    return new RewardModel(gpu, options.files, parts, program);
  }

  /** Token ids of a prompt with its answer, uncut. */
  encode(text: ScoredText): number[] {
    const { tokenizer } = this.#files.tools;
    const whole = textOf(text, this.#files.tools);
    return typeof text.prompt === "string"
      ? encodePlain(whole, tokenizer)
      : tokenizer.encode(whole, { addSpecialTokens: false });
  }

  /**
   * One number for each text, and how many texts were cut to maxLength tokens. A text's score does not depend on the others.
   * Throws `model-invalid` when one is not finite, and the device's errors.
   */
  async score(texts: readonly ScoredText[]): Promise<{ readonly values: number[]; readonly cut: number }> {
    const ids = texts.map((text) => this.encode(text));
    const values = await this.scoreIds(ids);
    return { values, cut: ids.filter(({ length }) => length > this.maxLength).length };
  }

  /** The same for rows that are tokens already. */
  async scoreIds(rows: readonly (readonly number[])[]): Promise<number[]> {
    const { tables, ring, capacity } = this.#parts;
    const batchRows = rows.map((ids, key) => this.#row(ids, key));
    const copies: Promise<number[]>[] = [];
    for (const part of fittingParts(batchRows, capacity)) {
      if (ring.free === 0) await copies.at(-ring.depth);
      this.#gpu.check();
      let copy: { read(): Promise<ArrayBuffer> } | undefined;
      this.#program.execute({ ...ZERO_STEP, ...tables.fill(part) }, (encoder) => {
        copy = ring.copy(encoder);
      });
      if (!copy) throw new Error("the scores were not copied");
      copies.push(copy.read().then((bytes) => [...new Float32Array(bytes, 0, part.length)]));
    }
    const scores = (await Promise.all(copies)).flat();
    if (scores.every(Number.isFinite)) return scores;
    throw new AppError(
      "model-invalid",
      `The reward model ${this.name} gave a score that is not finite. Its weights are damaged or too large for 32 bits.`,
      { details: { key: "reward_model_name" } },
    );
  }

  /** transformers reads the last token that is not padding, wherever padding comes from. */
  #row(all: readonly number[], key: number): BatchRow {
    const { padId } = this.#files;
    const last = all.findLastIndex((id) => id !== padId);
    const ids = all.slice(0, last < 0 ? 1 : last + 1).slice(-this.maxLength);
    if (ids.length === 0) {
      throw new AppError(
        "dataset-invalid",
        `A prompt with its answer has no token for the reward model ${this.name}.`,
      );
    }
    return { ids, key, targets: [ids.length], weights: [1] };
  }
}

interface Parts {
  readonly capacity: Capacity;
  readonly maxLength: number;
  readonly tables: BatchTables;
  readonly ring: ReadbackRing;
  readonly recorder: Recorder;
}

/** Loads the model, allocates everything but the arena, and records the pass. Also how memory is planned. */
async function makeParts(
  gpu: Gpu,
  { files, baseFormat, capacity: { N, R }, profile }: RewardModelOptions,
): Promise<Parts> {
  const { model, spec, head: source } = files;
  const { weights } = await loadFrozen(gpu, { model, spec, baseFormat, adapter: undefined });
  const capacity = { N, M: R, R };
  const maxLength = Math.min(spec.maxPositions, N);
  const headValues = await source.floats();
  const made = await gpu.guarded("Reward model", () => {
    const head = gpu.tensor(HEAD, [1, spec.hidden]);
    gpu.upload(head, headValues);
    const scores = gpu.tensor("rewardModel.scores", [capacity.M, 1]);
    return {
      ...{ head, scores, ring: new ReadbackRing(gpu, scores, 2) },
      tables: new BatchTables(gpu, capacity, { tile: profile.attentionTile, long: longFrom(spec) }),
      rope: uploadRope(gpu, spec, maxLength),
    };
  });
  const { head, scores, ring, tables, rope } = made;
  const recorder = new Recorder("rewardModel");
  const context: ModelContext = {
    ...{ recorder, profile, spec, weights, rope, capacity, tables: tables.tensors },
    ...{ adapter: undefined, gradOf: () => undefined, noisy: false },
  };
  const { finalNorm } = decoderForward(context, false);
  recordScore(context, finalNorm.y, head, scores);
  return { capacity, maxLength, tables, ring, recorder };
}

/** scores (M, 1) = hidden (M, C) head' */
function recordScore(
  { recorder, profile, spec }: ModelContext,
  hidden: Tensor,
  head: Tensor,
  scores: Tensor,
) {
  const weight = { tensor: head, format: "f32" as const, rows: 1, cols: spec.hidden, first: 0 };
  linearNt(recorder, profile, { x: hidden, y: scores, weight }, { rows: "M" });
}

/** What a reward model takes, from the code that allocates it, on a device that only counts. Reads no weights. */
export async function planRewardModel(
  capabilities: Capabilities,
  options: RewardModelOptions,
): Promise<{ readonly buffers: readonly number[]; readonly arena: readonly number[] }> {
  const live = new Set<DryBuffer>();
  const gpu = dryGpu(capabilities, live);
  const { files } = options;
  const model = withoutContent(files.model);
  const head = model.tensors.get(HEAD) ?? files.head;
  const { recorder } = await makeParts(gpu, { ...options, files: { ...files, model, head } });
  const buffers = [...live].map(({ size }) => size);
  return { buffers: [...buffers, ...programBytes([recorder])], arena: arenaBytes(gpu, [recorder]) };
}
