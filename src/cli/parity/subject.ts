import { type ModelFolder, openModelFolder } from "../../formats/model_folder.ts";
import type { Gpu } from "../../gpu/device.ts";
import { type AdapterFile, readAdapterFile } from "../../model/adapter_file.ts";
import type { BatchRow } from "../../model/batch_tables.ts";
import type { Trainable } from "../../model/loaded_model.ts";
import { readModelSpec } from "../../model/registry.ts";
import type { ModelSpec } from "../../model/spec.ts";
import type { BaseFormat } from "../../model/weights.ts";
import type { Collection, GoldenCase, UnpaddedRow } from "./golden_case.ts";

/** How the model of a case is run. */
export interface Mode {
  readonly baseFormat: BaseFormat;
  readonly rematerialize: boolean;
}

export const TRL: Mode = { baseFormat: "stored", rematerialize: false };
/** The four-bit backend, and what it must equal: f32 arithmetic on weights that made the round trip through four bits. */
export const UNSLOTH: Mode = { baseFormat: "nf4", rematerialize: true };
export const ROUND_TRIP: Mode = { baseFormat: "nf4-roundtrip", rematerialize: false };

/** The model and adapter of a case. */
export interface Subject {
  readonly gpu: Gpu;
  readonly model: ModelFolder;
  readonly spec: ModelSpec;
  readonly adapter: AdapterFile | undefined;
}

export async function openSubject(gpu: Gpu, collection: Collection, golden: GoldenCase): Promise<Subject> {
  if (!golden.model) throw new Error("the case names no model");
  const model = await openModelFolder(await collection(golden.model));
  const adapter = golden.adapter ? await readAdapterFile(await collection(golden.adapter)) : undefined;
  return { gpu, model, spec: readModelSpec(model.config), adapter };
}

/** The adapter as what trains; without one, an adapter on the first layer whose B is zero changes nothing. */
export function trainableOf({ adapter }: Subject, full: boolean): Trainable {
  if (full) return { kind: "full" };
  if (!adapter) throw new Error("the case has neither an adapter nor peft_enabled: false");
  const { settings, values } = adapter;
  return { kind: "lora", settings: { ...settings, dropout: 0 }, values };
}

/** Positions whose label is learned: never the first of a row, which nothing predicts. */
export function learnedPositions({ labels }: UnpaddedRow): number[] {
  return labels ? Array.from(labels.keys()).filter((t) => t >= 1 && labels[t] !== -100) : [];
}

/** Rows for the engine, each learned target weighing 1 / `normalizer`. Rows without tokens are left out. */
export function batchRows(rows: readonly UnpaddedRow[], normalizer: number): BatchRow[] {
  return rows
    .filter((row) => row.ids.length > 0)
    .map((row, key) => {
      const targets = learnedPositions(row);
      return { ids: row.ids, key, span: row.span, targets, weights: targets.map(() => 1 / normalizer) };
    });
}

export function countTargets(rows: readonly UnpaddedRow[]): number {
  return rows.reduce((sum, row) => sum + learnedPositions(row).length, 0);
}
