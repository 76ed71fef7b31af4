import { type ClusterBundle, clusterBundle } from "../../src/cluster/bundle.ts";
import type { Settings } from "../../src/config/fields.ts";
import { readSettings } from "../../src/config/read_settings.ts";
import { resolveOrThrow } from "../../src/config/resolve.ts";
import type { Example, ExampleBody } from "../../src/data/example.ts";

/** Runs whose bundles were given to the real trl (scripts/check_cluster.py); what it said is in the fixtures. */

const PYTHON_REWARD = `def short(text, reference=None, **kwargs):
    return 1.0 if len(text) < kwargs["limit"] else 0.0`;
const user = (content: string) => [{ role: "user", content }];
const examples = (bodies: readonly ExampleBody[]): Example[] =>
  bodies.map((body, rowIndex) => ({ ...body, row: { a: rowIndex }, rowIndex }));
const COMMON = { model_name: "aligntune-tiny", dataset_name: "rows.jsonl", batch_size: 4, max_steps: 2 };

export const RUNS: Readonly<
  Record<string, { readonly settings: Settings; readonly rows: readonly Example[] }>
> = {
  sft: {
    settings: { ...COMMON, algorithm: "sft", lr_scheduler: "polynomial", weight_decay: 0.1, packing: false },
    rows: examples(
      ["Leo", "Uma", "Hal", "Amy"].map((name) => ({
        kind: "prompt_completion",
        prompt: user(`Who is ${name}?`),
        completion: [{ role: "assistant", content: `${name} is a friend.` }],
      })),
    ),
  },
  dpo: {
    settings: { ...COMMON, algorithm: "dpo", loss_type: ["ipo"], rpo_alpha: 0.5, lr_scheduler: "cosine" },
    rows: examples(
      ["Leo", "Uma", "Hal", "Amy"].map((name) => ({
        kind: "preference",
        prompt: user(`Who is ${name}?`),
        chosen: [{ role: "assistant", content: `${name} is a friend.` }],
        rejected: [{ role: "assistant", content: "No." }],
      })),
    ),
  },
  dapo: {
    settings: {
      ...{ ...COMMON, algorithm: "dapo", num_generations: 4, max_completion_length: 24, max_seq_length: 64 },
      rewards: [
        { type: "accuracy", weight: 2 },
        { type: "custom", name: "short", code: PYTHON_REWARD, params: { limit: 20 }, normalize: true },
      ],
    },
    rows: examples(
      [3, 4, 5, 6].map((n) => ({ kind: "prompt", prompt: user(`${n} + 1 =`), reference: String(n + 1) })),
    ),
  },
};

const noFile = () => Promise.reject(new Error("no file is named"));

export function bundleOf(
  name: string,
  more: Settings = {},
  readText: (path: string) => Promise<string> = noFile,
): Promise<ClusterBundle> {
  const { settings, rows } = RUNS[name] as (typeof RUNS)[string];
  const { config } = resolveOrThrow({ override: readSettings({ ...settings, ...more }) });
  const [last, ...others] = [...rows].reverse();
  return clusterBundle({
    config,
    rows: { train: others, validation: last ? [last] : [] },
    files: [],
    totalSteps: 2,
    readText,
  });
}

export async function textsOf({ files }: ClusterBundle): Promise<Map<string, string>> {
  const entries = await Promise.all(
    files.map(async (file) => [file.name, new TextDecoder().decode(await file.read(0, file.size))] as const),
  );
  return new Map(entries);
}
