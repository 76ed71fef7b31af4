import { Recorder } from "../gpu/recorder.ts";
import type { Tensor } from "../gpu/tensor.ts";
import { takeColumn } from "../kernels/elementwise/take_column.ts";
import type { KernelProfile } from "../kernels/profile.ts";
import type { Capacity } from "../model/batch_tables.ts";
import type { ModelContext } from "../model/context.ts";
import { type DecoderActs, decoderBackward, decoderForward } from "../model/decoder.ts";
import { type HeadActs, headBackward, headForward } from "../model/head.ts";
import type { Workbench } from "./objective.ts";
import type { HeadOutputs } from "./whole_batch.ts";

/** What a loss reads, and where it leaves its gradient: of a pass, or of a whole micro-batch. */
export interface LossPart extends HeadOutputs {
  readonly recorder: Recorder;
  readonly profile: KernelProfile;
  readonly capacity: Capacity;
  readonly tables: ModelContext["tables"];
  /** A column of the tables by its name in Objective.columns. */
  column(name: string): Tensor;
  readonly metrics: Tensor;
  /** (M, 3): dloss/d logp, entropy, mean_logp, to be written. */
  readonly upstream: Tensor;
}

export interface Training {
  /** Divides the logits. */
  readonly temperature: number;
  /** Dropout and NEFTune are on. */
  readonly noisy?: boolean;
  /** The log-probabilities of the pass go into `scores`. */
  readonly scored?: boolean;
  loss(part: LossPart): void;
}

/**
 * Records `train`, the whole way there and back of a pass. Where the loss looks across a micro-batch of several passes, in its
 * place: `forward` of a pass, `loss` of the micro-batch, and `backward` of a pass, which goes forward again first.
 */
export function recordTraining(bench: Workbench, training: Training): readonly Recorder[] {
  const { temperature, noisy = false } = training;
  const { whole } = bench;
  if (!whole) {
    const context = bench.pass("train", "policy", { trains: true, noisy });
    const acts = forward(context, training, bench.rematerialize);
    const upstream = context.recorder.alloc("upstream", [bench.capacity.M, 3]);
    training.loss(partOf(bench, context, acts.head, upstream));
    backward(bench, context, acts, upstream, training);
    return [context.recorder];
  }
  const there = bench.pass("forward", "policy", { noisy });
  const { out, argmax, logCollision } = forward(there, training, false).head;
  for (const tensor of [out, argmax, logCollision]) there.recorder.keep(tensor);
  whole.collectFrom({ out, argmax, logCollision });

  const across = new Recorder("loss");
  const { capacity, tables, head, upstream } = whole;
  training.loss({
    ...{ recorder: across, profile: bench.profile, capacity, metrics: bench.metrics, upstream },
    ...{ ...head, tables: tables.tensors, column: (name: string) => columnOf(tables.columns, name) },
  });

  const back = bench.pass("backward", "policy", { trains: true, noisy });
  const acts = forward(back, { temperature }, bench.rematerialize);
  backward(bench, back, acts, whole.passUpstream, training);
  return [there.recorder, across, back.recorder];
}

/** Records a pass that ends with the loss and its metrics; its log-probabilities go into `scores` where that is asked for. */
export function recordEvaluation(bench: Workbench, training: Training): Recorder {
  const context = bench.pass("evaluate", "policy");
  const { head } = forward(context, training, false);
  if (training.scored) takeColumn(context.recorder, { x: head.out, y: bench.scores }, 0);
  const upstream = context.recorder.alloc("upstream", [bench.capacity.M, 3]);
  training.loss(partOf(bench, context, head, upstream));
  return context.recorder;
}

interface Acts {
  readonly decoder: DecoderActs;
  readonly head: HeadActs;
}

function forward(
  context: ModelContext,
  { temperature }: Pick<Training, "temperature">,
  rematerialize: boolean,
): Acts {
  const decoder = decoderForward(context, rematerialize);
  return { decoder, head: headForward(context, decoder.finalNorm.y, temperature) };
}

function backward(
  bench: Workbench,
  context: ModelContext,
  { decoder, head }: Acts,
  upstream: Tensor,
  { temperature, scored = false }: Training,
): void {
  if (scored) takeColumn(context.recorder, { x: head.out, y: bench.scores }, 0);
  decoderBackward(context, decoder, headBackward(context, decoder.finalNorm.y, head, upstream, temperature));
}

function partOf(bench: Workbench, context: ModelContext, head: HeadActs, upstream: Tensor): LossPart {
  const { recorder, profile, capacity, tables } = context;
  const { out, argmax, logCollision } = head;
  return {
    ...{ recorder, profile, capacity, tables, out, argmax, logCollision, upstream },
    ...{ metrics: bench.metrics, column: (name: string) => bench.column(name) },
  };
}

function columnOf(columns: Readonly<Record<string, Tensor>>, name: string): Tensor {
  const tensor = columns[name];
  if (!tensor) throw new Error(`the objective declares no column ${name}`);
  return tensor;
}
