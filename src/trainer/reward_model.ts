import { encodePlain } from "../data/encode_turns.ts";
import type { Arena } from "../gpu/arena.ts";
import type { Capabilities } from "../gpu/capabilities.ts";
import type { Gpu } from "../gpu/device.ts";
import { type DryBuffer, dryGpu } from "../gpu/dry_device.ts";
import { arenaBytes, type Program, planPrograms, programBytes } from "../gpu/program.ts";
import { ReadbackRing } from "../gpu/readback.ts";
import { Recorder } from "../gpu/recorder.ts";
import { ZERO_STEP } from "../gpu/step.ts";
import type { Tensor } from "../gpu/tensor.ts";
import { linearNt } from "../kernels/linear/linear_nt.ts";
import type { KernelProfile } from "../kernels/profile.ts";
import { AppError } from "../lib/errors.ts";
import { type BatchRow, BatchTables, type Capacity } from "../model/batch_tables.ts";
import { type ModelContext, uploadRope } from "../model/context.ts";
import { decoderForward } from "../model/decoder.ts";
import { loadFrozen } from "../model/loaded_model.ts";
import { longFrom } from "../model/spec.ts";
import type { BaseFormat } from "../model/weights.ts";
import { fittingParts } from "./engine.ts";
import { withoutContent } from "./memory_plan.ts";
import { HEAD, type RewardModelFiles, type ScoredText, textOf } from "./reward_model_files.ts";

export interface RewardModelOptions {
  readonly files: RewardModelFiles;
  readonly baseFormat: BaseFormat;
  /** Of one pass; rows are cut to N tokens where the model has more positions. */
  readonly capacity: Pick<Capacity, "N" | "R">;
  readonly profile: KernelProfile;
  /** Scratch memory of programs that never run while answers are scored, to be shared; of its own when absent. */
  readonly arena?: Arena | undefined;
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
