import type { CommonConfig } from "../config/fields.ts";
import type { ExampleSet } from "../data/dataset_formats.ts";
import type { Example } from "../data/example.ts";
import { mergeRows } from "../data/merge_rows.ts";
import { Random } from "../lib/random.ts";
import type { Dataset } from "./load_dataset.ts";

/** What a dataset of several gives. */
export interface MixedSource {
  readonly name: string;
  /** Rows that can be trained on before the weight counts. */
  readonly rows: number;
  /** Rows that it gives to an epoch. */
  readonly taken: number;
  readonly weight: number;
}

export interface WeightedDataset {
  readonly name: string;
  readonly weight: number;
  readonly dataset: Dataset;
}

/** Distinguishes the mixing from every other use of the seed. */
const STREAM = 0x6d697865;

/** The datasets of a configuration, each as the configuration of a run with that one alone, and its weight. */
export function datasetsOf<C extends CommonConfig>(
  config: C,
): readonly { readonly config: C; readonly weight: number }[] {
  const first = { ...config, more_datasets: [] };
  // One evaluation dataset serves all; without it each holds out rows of its own.
  const heldOut = config.eval_dataset_name === null ? {} : { val_split_ratio: 0, test_split_ratio: 0 };
  const others = config.more_datasets.map((entry) => ({
    weight: entry.weight ?? 1,
    config: {
      ...first,
      ...heldOut,
      ...{ eval_dataset_name: null, text_column: null, dataset_name: entry.name },
      ...{ config_name: entry.config_name ?? null, split: entry.split ?? "train" },
      ...{ max_samples: entry.max_samples ?? null, percent: entry.percent ?? null },
      column_mapping: entry.column_mapping ?? {},
    },
  }));
  return [{ config: first, weight: config.dataset_weight }, ...others];
}

/**
 * Several datasets as one. Of each, the rows to train on count as often as its weight says, a part of a row's worth by a draw
 * of the seed; then all are shuffled by the seed. Rows of a dataset are counted behind those of the datasets before it.
 */
export function mixDatasets(
  parts: readonly [WeightedDataset, ...WeightedDataset[]],
  { seed, max_eval_samples: evaluated }: Pick<CommonConfig, "seed" | "max_eval_samples">,
): Dataset {
  const [first, ...others] = parts;
  const file = mergeRows(`${first.dataset.file.name} and ${others.length} more`, [
    first.dataset.file,
    ...others.map(({ dataset }) => dataset.file),
  ]);
  let offset = 0;
  const moved = parts.map(({ name, weight, dataset }, i) => {
    const at = offset;
    offset += dataset.file.rows.length;
    const move = (examples: readonly Example[]): readonly Example[] =>
      examples.map((example) => ({ ...example, rowIndex: example.rowIndex + at }));
    const train = move(dataset.train);
    const taken = byWeight(train, weight, new Random(seed, STREAM + i + 1));
    const held = { validation: move(dataset.validation), test: move(dataset.test) };
    return { name, weight, rows: train.length, taken, set: move(dataset.set.examples), ...held };
  });
  const heldOut = moved.flatMap((part) => part.validation);
  // The first few of one dataset would stand for none of the others.
  const validation = evaluated === null ? heldOut : shuffled(heldOut, seed).slice(0, evaluated);
  const test = moved.flatMap((part) => part.test);
  const train = shuffled(
    moved.flatMap(({ taken }) => taken),
    seed,
  );
  const set = mixSets(
    parts,
    moved.flatMap(({ set: examples }) => examples),
  );
  return {
    ...{ file, set, train, validation, test, part: first.dataset.part, stream: undefined },
    rowCount: file.rows.length,
    counts: { train: train.length, validation: validation.length, test: test.length },
    notes: parts.flatMap(({ name, dataset }) => dataset.notes.map((note) => `${name}: ${note}`)),
    sources: moved.map(({ name, weight, rows, taken }) => ({ name, weight, rows, taken: taken.length })),
  };
}

const shuffled = (examples: readonly Example[], seed: number): readonly Example[] =>
  new Random(seed, STREAM).permutation(examples.length).map((i) => examples[i] as Example);

/** Every row as often as the whole part of the weight says, and as many more, drawn without repeats, as its fraction does. */
function byWeight(examples: readonly Example[], weight: number, random: Random): readonly Example[] {
  if (examples.length === 0) return [];
  const wanted = Math.max(1, Math.round(examples.length * weight));
  const times = Math.floor(wanted / examples.length);
  const drawn = random.permutation(examples.length).slice(0, wanted % examples.length);
  const more = drawn.toSorted((a, b) => a - b).map((i) => examples[i] as Example);
  return [...Array.from({ length: times }, () => examples).flat(), ...more];
}

function mixSets(
  parts: readonly [WeightedDataset, ...WeightedDataset[]],
  examples: readonly Example[],
): ExampleSet {
  const sets = parts.map(({ dataset }) => dataset.set);
  const [{ dataset: first }] = parts;
  const labels = [...new Set(sets.map(({ format }) => format.label))];
  const counts: Record<string, number> = {};
  for (const { problemCounts } of sets) {
    for (const [kind, count] of Object.entries(problemCounts)) counts[kind] = (counts[kind] ?? 0) + count;
  }
  return {
    format: { id: labels.length === 1 ? first.set.format.id : "mixed", label: labels.join("; ") },
    mapping: {
      direction: first.set.mapping.direction,
      roles: new Map(sets.toReversed().flatMap(({ mapping }) => [...mapping.roles])),
    },
    examples,
    problems: parts.flatMap(({ name, dataset }) =>
      dataset.set.problems.map((problem) => ({ ...problem, message: `${name}: ${problem.message}` })),
    ),
    problemCounts: counts,
    problemTotal: sets.reduce((sum, { problemTotal }) => sum + problemTotal, 0),
    notes: parts.flatMap(({ name, dataset }) => dataset.set.notes.map((note) => `${name}: ${note}`)),
  };
}
