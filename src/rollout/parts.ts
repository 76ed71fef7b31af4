import type { Arena } from "../gpu/arena.ts";
import type { Gpu } from "../gpu/device.ts";
import { Recorder } from "../gpu/recorder.ts";
import type { Tensor } from "../gpu/tensor.ts";
import type { KernelProfile } from "../kernels/profile.ts";
import { BatchTables } from "../model/batch_tables.ts";
import { type ModelContext, uploadRope } from "../model/context.ts";
import type { Adapter } from "../model/lora.ts";
import { longFrom, type ModelSpec } from "../model/spec.ts";
import type { ModelWeights } from "../model/weights.ts";
import { DecodeTables } from "./decode_tables.ts";
import { type KvCache, makeKvCache, sequencesThatFit } from "./kv_cache.ts";
import { type DecodeState, recordDecode, recordPrefill } from "./programs.ts";
import { RowMover } from "./row_mover.ts";
import { TokenRing } from "./token_ring.ts";

export interface GeneratorOptions {
  readonly spec: ModelSpec;
  readonly weights: ModelWeights;
  /** Undefined generates with the model as it is in the file. */
  readonly adapter: Adapter | undefined;
  readonly profile: KernelProfile;
  /** Also records programs that leave the adapter out, on the same memory: `base` in a request uses them. */
  readonly withBase?: boolean;
  /** Rotary tables for at least `maxLength` positions, where the caller has some already. */
  readonly rope?: Readonly<Record<string, Tensor>> | undefined;
  /** Scratch memory of programs that never run while a request is served, to be shared; of its own when absent. */
  readonly arena?: Arena | undefined;
  /** Sequences side by side; fewer where a binding does not hold as many. Further ones wait for their turn. */
  readonly maxSequences: number;
  /** Prompt tokens in one prefill: no prompt may be longer than this and one. */
  readonly maxPromptTokens: number;
  /** Tokens of prompt and answer together. */
  readonly maxLength: number;
}

/** What a generator allocates once, beside its arena. */
export interface Parts {
  readonly cache: KvCache;
  readonly rope: Readonly<Record<string, Tensor>>;
  readonly prefillTables: BatchTables;
  readonly prefillTargets: Tensor;
  readonly tables: DecodeTables;
  readonly state: DecodeState;
  readonly mover: RowMover;
  readonly ring: TokenRing;
}

/** Steps between two readbacks, and readbacks that may be on their way while further steps are submitted. */
export const CHUNK = 4;
export const IN_FLIGHT = 2;

/** Throws `gpu-out-of-memory`. */
export async function makeParts(gpu: Gpu, options: GeneratorOptions): Promise<Parts> {
  const { spec, profile, maxSequences, maxPromptTokens, maxLength } = options;
  const rows = sequencesThatFit(gpu.capabilities, spec, maxSequences, maxLength);
  const cache = await makeKvCache(gpu, spec, rows, maxLength);
  return gpu.guarded("Generation", () => {
    const state = {
      tokens: gpu.tensor("tokens", [rows]),
      seen: gpu.tensor("seen", [rows, Math.ceil(spec.vocab / 32)]),
      logps: gpu.tensor("logps", [rows, 2]),
    };
    return {
      cache,
      rope: options.rope ?? uploadRope(gpu, spec, maxLength),
      prefillTables: new BatchTables(
        gpu,
        { N: maxPromptTokens, M: 1, R: rows },
        { tile: profile.attentionTile, long: longFrom(spec) },
      ),
      prefillTargets: gpu.tensor("prefill.targets", [maxPromptTokens, 2]),
      tables: new DecodeTables(gpu, rows, longFrom(spec)),
      state,
      mover: new RowMover(gpu, [state.tokens, state.seen]),
      ring: new TokenRing(gpu, state.tokens, state.logps, CHUNK, IN_FLIGHT + 1),
    };
  });
}

/** The two programs of a model with the given adapter. */
export function recordParts(
  { spec, weights, profile, maxPromptTokens }: GeneratorOptions,
  parts: Parts,
  adapter: Adapter | undefined,
): Recorder[] {
  const { cache, rope, prefillTables, tables, state } = parts;
  const shared = { profile, spec, weights, adapter, rope, gradOf: () => undefined, noisy: false };
  const prefill: ModelContext = {
    ...shared,
    recorder: new Recorder("prefill"),
    tables: prefillTables.tensors,
    capacity: { N: maxPromptTokens, M: 1, R: cache.slots },
  };
  recordPrefill(prefill, cache, parts.prefillTargets);
  const { positions, keys } = tables.tensors;
  const decode: ModelContext = {
    ...shared,
    recorder: new Recorder("decode"),
    // Decoding reads no other table of a batch.
    tables: { ...prefillTables.tensors, ids: state.tokens, positions, keys },
    capacity: { N: cache.slots, M: cache.slots, R: cache.slots },
  };
  recordDecode(decode, cache, tables.tensors, state);
  return [prefill.recorder, decode.recorder];
}
