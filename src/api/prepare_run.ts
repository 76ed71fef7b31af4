import type { Prepared } from "../algorithms/algorithm.ts";
import { algorithmOf } from "../algorithms/registry.ts";
import type { RunConfig } from "../config/fields.ts";
import { type ModelFolder, openModelFolder } from "../formats/model_folder.ts";
import type { Host } from "../host/host.ts";
import type { ReferenceKind, ValueStart } from "../model/loaded_model.ts";
import { readModelSpec } from "../model/registry.ts";
import type { ModelSpec } from "../model/spec.ts";
import { referenceOf, type Start, startOf, valueStart } from "../trainer/engine_for.ts";
import { loadTextTools, type TextTools } from "../trainer/prepare_data.ts";

/** What a run is made of before it touches a device. */
export interface PreparedRun {
  readonly model: ModelFolder;
  readonly spec: ModelSpec;
  readonly tools: TextTools;
  readonly data: Prepared;
  readonly start: Start;
  readonly reference: ReferenceKind | undefined;
  readonly value: ValueStart | undefined;
}

/** Opens and checks model, data and adapter. Throws everything that a configuration or a file can be refused for. */
export async function prepareRun(
  host: Host,
  config: RunConfig,
  skipBadRows: boolean,
  onData: (done: number) => void = () => {},
): Promise<PreparedRun> {
  const model = await openModelFolder(await host.openModel(config.model_name, config.model_revision));
  const spec = readModelSpec(model.config);
  onData(0);
  const tools = await loadTextTools(model.folder, config);
  const data = await algorithmOf(config).prepare({ host, config, spec, tools, skipBadRows });
  onData(1);
  const start = await startOf(host, spec, config);
  return {
    ...{ model, spec, tools, data, start },
    reference: data.needs.reference ? referenceOf(config) : undefined,
    value: data.needs.value ? valueStart(spec, config, start) : undefined,
  };
}

/** What a prepared run asks of its engine. */
export function enginePlan({ model, spec, data, start, reference, value }: PreparedRun) {
  const { capacity, whole, maxLength, micros, objective } = data;
  return {
    model,
    spec,
    trainable: start.trainable,
    reference,
    value,
    capacity,
    whole,
    maxLength,
    micros,
    objective,
  };
}
