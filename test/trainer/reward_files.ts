import { floatsMaker, safetensorsAsset } from "../../src/formats/safetensors_asset.ts";
import type { Folder, Host } from "../../src/host/host.ts";
import { memoryFolder } from "../../src/host/memory.ts";
import { normals } from "../tiny_model.ts";

/** Files as data URLs, which both Node and a browser can fetch. */
const FILES = import.meta.glob<string>(
  ["../golden/reward/**/*.{json,safetensors}", "../golden/trl/model/*.{json,jinja}"],
  { query: "?url&inline", import: "default" },
);

type Files = Map<string, Uint8Array<ArrayBuffer>>;

async function filesBelow(prefix: string): Promise<Files> {
  const files: Files = new Map();
  for (const [name, load] of Object.entries(FILES)) {
    if (!name.startsWith(prefix)) continue;
    const response = await fetch(await load());
    files.set(name.slice(prefix.length), new Uint8Array(await response.arrayBuffer()));
  }
  return files;
}

const TOKENIZER = ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"];
export const REWARD_MODELS = ["qwen3", "gemma3", "gpt2"] as const;
export type RewardModelName = (typeof REWARD_MODELS)[number];

export interface RewardFolderChanges {
  /** Entries of config.json to replace; undefined takes one out. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Another head, by its shape; null for none. */
  readonly score?: readonly number[] | null;
  readonly without?: readonly string[];
}

/** The folder of a recorded reward model, with the tokenizer and template that its texts were made with. */
export async function rewardFolder(
  name: RewardModelName,
  { config, score, without = [] }: RewardFolderChanges = {},
): Promise<Folder> {
  const files = await filesBelow(`../golden/reward/${name}/`);
  const shared = await filesBelow("../golden/trl/model/");
  for (const file of TOKENIZER) files.set(file, shared.get(file) as Uint8Array<ArrayBuffer>);
  if (config) {
    const text = new TextDecoder().decode(files.get("config.json"));
    const json = JSON.stringify({ ...JSON.parse(text), ...config });
    files.set("config.json", new TextEncoder().encode(json));
  }
  if (score !== undefined) {
    // Nothing else of the weights is read before a head is refused.
    const shape = score ?? [3];
    const values = normals(
      1,
      shape.reduce((a, b) => a * b, 1),
      1,
    );
    const tensor = score === null ? "model.norm.weight" : "score.weight";
    const file = safetensorsAsset("model.safetensors", [floatsMaker({ name: tensor, shape }, values)]);
    files.set("model.safetensors", await file.read(0, file.size));
  }
  for (const file of without) files.delete(file);
  return memoryFolder(`reward-${name}`, files);
}

/** A host that has one model. */
export function hostOf(folder: Folder): Pick<Host, "openModel"> {
  return { openModel: async () => folder };
}

export interface ExpectedScores {
  readonly texts: readonly {
    readonly prompt: string | readonly { readonly role: string; readonly content: string }[];
    readonly completion: string;
    readonly ids: readonly number[];
  }[];
  readonly scores: Readonly<Record<RewardModelName, readonly number[]>>;
}

/** What transformers gives for some texts: scripts/make_reward_models.py. */
export async function expectedScores(): Promise<ExpectedScores> {
  const bytes = (await filesBelow("../golden/reward/")).get("expected.json");
  return JSON.parse(new TextDecoder().decode(bytes)) as ExpectedScores;
}
