import type { Gpu } from "../gpu/device.ts";
import { type Program, planPrograms } from "../gpu/program.ts";
import { ZERO_STEP } from "../gpu/step.ts";
import type { Tensor } from "../gpu/tensor.ts";
import { AppError, invariant } from "../lib/errors.ts";
import type { BatchTables } from "../model/batch_tables.ts";
import { longFrom, positionLimit } from "../model/spec.ts";
import { type DecodeTables, type Seat, seatSequences } from "./decode_tables.ts";
import { CHUNK, type GeneratorOptions, IN_FLIGHT, makeParts, type Parts, recordParts } from "./parts.ts";
import type { DecodeState } from "./programs.ts";
import type { RowMover } from "./row_mover.ts";
import { checkSampling, decodeStep, type Sampling } from "./sampling.ts";
import {
  addToken,
  type Completion,
  completionOf,
  makeSequences,
  packInOrder,
  type Sequence,
} from "./sequences.ts";
import type { ChosenTokens, TokenRing } from "./token_ring.ts";

export interface GenerateRequest {
  readonly prompts: readonly (Int32Array | Uint32Array)[];
  readonly maxNewTokens: number;
  readonly sampling: Sampling;
  /** Ids that end a sequence; none with an empty list. */
  readonly stopIds: readonly number[];
  /** Completions of each prompt, which share its keys and values; 1 when absent. */
  readonly samplesPerPrompt?: number;
  /** Identity of each sequence for the noise, as u32, in the order of the result; its index when absent. */
  readonly keys?: ArrayLike<number>;
  /** Runs without the adapter; needs `withBase`. */
  readonly base?: boolean;
  /** New tokens of a sequence (its place in the result), a few at a time. */
  readonly onTokens?: (sequence: number, ids: readonly number[]) => void;
  readonly signal?: AbortSignal;
}

interface Programs {
  readonly prefill: Program;
  readonly decode: Program;
}

/**
 * Generates with one model: caches, tables and programs are made once, and nothing is allocated per request or token.
 * Weights and adapter are read where they are, so a generator follows a model in training. One request at a time.
 */
export class Generator {
  /** Sequences that run side by side. */
  readonly rows: number;
  readonly #gpu: Gpu;
  readonly #options: GeneratorOptions;
  readonly #programs: Programs;
  readonly #basePrograms: Programs | undefined;
  readonly #prefillTables: BatchTables;
  readonly #prefillTargets: Tensor;
  readonly #tables: DecodeTables;
  readonly #state: DecodeState;
  readonly #mover: RowMover;
  readonly #ring: TokenRing;
  #busy = false;

  private constructor(gpu: Gpu, options: GeneratorOptions, parts: Parts, programs: readonly Programs[]) {
    const [own, base] = programs;
    invariant(own, "a generator has programs");
    this.rows = parts.cache.slots;
    this.#gpu = gpu;
    this.#options = options;
    this.#programs = own;
    this.#basePrograms = options.adapter ? base : own;
    this.#prefillTables = parts.prefillTables;
    this.#prefillTargets = parts.prefillTargets;
    this.#tables = parts.tables;
    this.#state = parts.state;
    this.#mover = parts.mover;
    this.#ring = parts.ring;
  }

  /** Throws `gpu-out-of-memory`, and `config-invalid` for a length that the model has no positions for. */
  static async create(gpu: Gpu, options: GeneratorOptions): Promise<Generator> {
    const { spec, adapter, withBase = false, maxLength } = options;
    // Nothing is ever computed for the last token of a sequence.
    if (maxLength > positionLimit(spec) + 1) {
      throw new AppError(
        "config-invalid",
        `Sequences of ${maxLength} tokens: the model has ${spec.maxPositions} positions. Use a shorter maximum length.`,
      );
    }
    invariant(options.maxSequences >= 1 && options.maxPromptTokens >= 1, "a generator without room");
    const parts = await makeParts(gpu, options);
    const adapters = withBase && adapter ? [adapter, undefined] : [adapter];
    const recorders = adapters.flatMap((each) => recordParts(options, parts, each));
    const planned = await planPrograms(gpu, recorders, options.arena);
    const programs: Programs[] = [];
    for (let i = 0; i + 1 < planned.length; i += 2) {
      const [prefill, decode] = planned.slice(i, i + 2);
      if (prefill && decode) programs.push({ prefill, decode });
    }
    return new Generator(gpu, options, parts, programs);
  }

  /**
   * Completions in the order of the prompts, `samplesPerPrompt` of each. A sequence's result depends on its prompt, its
   * key and the sampling alone, never on what runs beside it. Throws `config-invalid` for prompts or sampling that
   * cannot be, and the device's errors. Cancelled sequences keep the tokens that they have.
   */
  async generate(request: GenerateRequest): Promise<Completion[]> {
    const { prompts, maxNewTokens, sampling, samplesPerPrompt = 1, base = false, keys } = request;
    const { spec, maxLength, maxPromptTokens } = this.#options;
    checkSampling(sampling);
    invariant(Number.isInteger(maxNewTokens) && maxNewTokens >= 1, `${maxNewTokens} new tokens`);
    const programs = base ? this.#basePrograms : this.#programs;
    invariant(programs, "generation without the adapter needs withBase");
    invariant(!this.#busy, "a generator serves one request at a time");
    const limits = { vocab: spec.vocab, maxLength, prefillTokens: maxPromptTokens, long: longFrom(spec) };
    const sequences = makeSequences(prompts, samplesPerPrompt, maxNewTokens, limits, keys);
    this.#busy = true;
    try {
      for (let first = 0; first < sequences.length; first += this.rows) {
        await this.#runBatch(sequences.slice(first, first + this.rows), programs, request);
      }
    } finally {
      this.#busy = false;
    }
    return sequences.map(completionOf);
  }

  async #runBatch(batch: readonly Sequence[], programs: Programs, request: GenerateRequest): Promise<void> {
    const { maxNewTokens, sampling, signal } = request;
    let seats = seatSequences(batch);
    if (!signal?.aborted) {
      this.#prefill(seats, programs.prefill);
      this.#startRows(seats);
    }
    const flying: {
      readonly seats: readonly Seat[];
      readonly tokens: Promise<ChosenTokens>;
      steps: number;
    }[] = [];
    const land = async () => {
      const chunk = flying.shift();
      if (chunk) deliver(chunk.seats, await chunk.tokens, chunk.steps, request);
      this.#gpu.check();
    };
    try {
      for (let index = 0; index < maxNewTokens && seats.length > 0 && !signal?.aborted; index += CHUNK) {
        const chunk = this.#ring.begin();
        const steps = Math.min(CHUNK, maxNewTokens - index);
        for (let i = 0; i < steps; i++) {
          this.#tables.write(seats, index + i);
          const step = decodeStep(sampling, seats.length, index + i);
          programs.decode.execute(step, (encoder) => chunk.copy(encoder, i));
        }
        flying.push({ seats, tokens: chunk.read(), steps });
        if (flying.length <= IN_FLIGHT) continue;
        await land();
        seats = this.#retire(seats);
      }
      while (flying.length > 0) await land();
    } finally {
      // After an error the ring must still be free for the next request.
      await Promise.allSettled(flying.map((chunk) => chunk.tokens));
    }
    for (const sequence of batch) sequence.stopped ??= "cancelled";
  }

  /** Fills the caches with all tokens of each distinct prompt but its last, which is the first decoding step's input. */
  #prefill(seats: readonly Seat[], program: Program): void {
    const owners = seats.filter(
      ({ sequence, promptLength }) => promptLength === 0 && sequence.prompt.length > 1,
    );
    const lengths = owners.map(({ sequence }) => sequence.prompt.length - 1);
    for (const run of packInOrder(lengths, this.#options.maxPromptTokens)) {
      const rows = run.flatMap((i) => owners[i] ?? []);
      const packed = rows.map(({ sequence: { prompt } }) => Array.from(prompt).slice(0, -1));
      const counts = this.#prefillTables.fill(
        packed.map((ids, key) => ({ ids, key, span: ids.length + 1, targets: [], weights: [] })),
      );
      const targets = rows.flatMap(({ slot }, i) => (packed[i] ?? []).flatMap((_, t) => [slot, t]));
      this.#gpu.upload(this.#prefillTargets, Uint32Array.from(targets));
      program.execute({ ...ZERO_STEP, ...counts });
    }
  }

  /** The last prompt token of each sequence, and which tokens it has seen. */
  #startRows(seats: readonly Seat[]): void {
    const words = Math.ceil(this.#options.spec.vocab / 32);
    const seen = new Uint32Array(seats.length * words);
    const tokens = Uint32Array.from(seats, ({ sequence: { prompt } }, row) => {
      for (const id of Array.from(prompt)) {
        const word = row * words + (id >>> 5);
        seen[word] = (seen[word] ?? 0) | (1 << (id & 31));
      }
      return prompt[prompt.length - 1] ?? 0;
    });
    this.#gpu.upload(this.#state.seen, seen);
    this.#gpu.upload(this.#state.tokens, tokens);
  }

  /** Leaves out the sequences that are known to have ended; steps already submitted still hold them. */
  #retire(seats: readonly Seat[]): Seat[] {
    const kept = Array.from(seats.keys()).filter((row) => !seats[row]?.sequence.stopped);
    if (kept.length > 0) this.#mover.move(kept);
    return kept.flatMap((row) => seats[row] ?? []);
  }
}

function deliver(
  seats: readonly Seat[],
  tokens: ChosenTokens,
  steps: number,
  { maxNewTokens, stopIds, onTokens }: GenerateRequest,
): void {
  const stops = new Set(stopIds);
  seats.forEach(({ sequence }, row) => {
    const before = sequence.ids.length;
    for (let step = 0; step < steps; step++) {
      const token = {
        id: tokens.id(step, row),
        logp: tokens.logp(step, row),
        sampledLogp: tokens.sampledLogp(step, row),
      };
      if (!addToken(sequence, token, maxNewTokens, stops)) break;
    }
    if (sequence.ids.length > before) onTokens?.(sequence.index, sequence.ids.slice(before));
  });
}
