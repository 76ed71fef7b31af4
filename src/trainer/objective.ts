import { Recorder } from "../gpu/recorder.ts";
import type { Tensor } from "../gpu/tensor.ts";
import type { KernelProfile } from "../kernels/profile.ts";
import type { BatchTables, Capacity } from "../model/batch_tables.ts";
import type { ModelContext } from "../model/context.ts";
import type { LoadedModel, ValueModel } from "../model/loaded_model.ts";
import type { ModelSpec } from "../model/spec.ts";
import type { MicroMetrics, ReportBuffer } from "./report.ts";
import type { WholeBatch } from "./whole_batch.ts";

/** What an algorithm computes on the GPU. Its programs are recorded once; its file says when each one runs. */
export interface Objective {
  /** Values of each loss token that its tables carry beside ids and weights; see BatchTables.columns. */
  readonly columns: readonly string[];
  /** What one micro-batch reports, field by field; the first ones are those of metrics_reduce. */
  readonly metrics: readonly string[];
  /** A micro-batch's metrics from those of its passes; every field is a sum when absent. */
  combine?(passes: readonly MicroMetrics[]): MicroMetrics;
  /** Records all programs; `train` adds to the gradients, `evaluate` fills a slot of metrics only. */
  record(bench: Workbench): readonly Recorder[];
}

export interface WorkbenchParts {
  readonly spec: ModelSpec;
  readonly profile: KernelProfile;
  readonly model: LoadedModel;
  readonly tables: BatchTables;
  readonly rope: Readonly<Record<string, Tensor>>;
  readonly report: ReportBuffer;
  readonly scores: Tensor;
  readonly whole: WholeBatch | undefined;
  readonly rematerialize: boolean;
}

/** What an objective records with: the models, the tables of a micro-batch, and where results go. */
export class Workbench {
  readonly capacity: Capacity;
  readonly profile: KernelProfile;
  readonly tables: BatchTables["tensors"];
  readonly columns: BatchTables["columns"];
  /** (slots, 32): see Objective.metrics. */
  readonly metrics: Tensor;
  /** (M) one number a loss token that Engine.score hands to the host. */
  readonly scores: Tensor;
  /** A micro-batch of several passes, where the loss is to be taken across all of them. */
  readonly whole: WholeBatch | undefined;
  readonly rematerialize: boolean;
  readonly #parts: WorkbenchParts;

  constructor(parts: WorkbenchParts) {
    this.#parts = parts;
    this.capacity = parts.tables.capacity;
    this.profile = parts.profile;
    this.tables = parts.tables.tensors;
    this.columns = parts.tables.columns;
    this.metrics = parts.report.metrics;
    this.scores = parts.scores;
    this.whole = parts.whole;
    this.rematerialize = parts.rematerialize;
  }

  /** A column of the tables by its name in Objective.columns. */
  column(name: string): Tensor {
    const tensor = this.columns[name];
    if (!tensor) throw new Error(`the objective declares no column ${name}`);
    return tensor;
  }

  /** A pass over one of the models. `trains` keeps gradients; `noisy` turns dropout and NEFTune on. */
  pass(
    program: string | Recorder,
    which: "policy" | "reference" | "value",
    { trains = false, noisy = false }: { readonly trains?: boolean; readonly noisy?: boolean } = {},
  ): ModelContext {
    const { spec, profile, model, tables, rope } = this.#parts;
    const chosen = which === "policy" ? model : model[which];
    if (!chosen) throw new Error(`the engine was made without a ${which} model`);
    return {
      ...{ spec, profile, rope, tables: tables.tensors, capacity: tables.capacity, noisy },
      recorder: typeof program === "string" ? new Recorder(program) : program,
      weights: chosen.weights,
      adapter: chosen.adapter,
      gradOf: trains ? (param: Tensor) => model.pool.gradOf(param) : () => undefined,
    };
  }

  /** PPO's scalar head. */
  get valueHead(): Tensor {
    const value: ValueModel | undefined = this.#parts.model.value;
    if (!value) throw new Error("the engine was made without a value model");
    return value.head;
  }

  gradOf(param: Tensor): Tensor {
    const grad = this.#parts.model.pool.gradOf(param);
    if (!grad) throw new Error(`${param.label} does not train`);
    return grad;
  }
}
