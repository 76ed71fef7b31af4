import { AppError } from "../../../src/lib/errors.ts";
import type { HubDatasetInfo, HubModelInfo, StoredRepository } from "../../../src/protocol/hub.ts";
import type { WorkerEvent } from "../../../src/protocol/messages.ts";
import type { Handlers } from "../../../src/protocol/rpc.ts";

const HOST = "huggingface.co";
const COMMIT = "c1899de289a04d12100db370d81485cdf75e47ca";

const model = (name: string): HubModelInfo => ({
  ...{ key: "model Qwen", name, id: name, commit: COMMIT, host: HOST, licence: "apache-2.0" },
  ...{ gated: false, private: false, modelType: "qwen3", supported: null },
  ...{ bytes: 1_519_000_000, parameters: 596_049_920, storedBytes: 512_000_000, complete: false },
});

const DATASET: Omit<HubDatasetInfo, "name"> = {
  key: "dataset gsm8k",
  ...{ id: "openai/gsm8k", commit: COMMIT, host: HOST, licence: "mit", gated: false, private: false },
  subsets: [
    {
      name: "main",
      splits: [
        { name: "train", bytes: 2_306_545, files: ["main/train-00000-of-00001.parquet"] },
        { name: "test", bytes: 419_088, files: ["main/test-00000-of-00001.parquet"] },
      ],
    },
    { name: "socratic", splits: [{ name: "train", bytes: 2_680_000, files: ["socratic/train.parquet"] }] },
  ],
  defaultSubset: null,
};

const details = (id: string, more: Record<string, unknown>) => ({
  details: { host: HOST, what: `the model ${id}`, id, page: `https://${HOST}/${id}`, ...more },
});

const REFUSALS: Readonly<Record<string, (token: string | null) => AppError | undefined>> = {
  "meta-llama/Llama-3.2-1B-Instruct": (token) =>
    token?.includes("good")
      ? undefined
      : new AppError(
          "access-denied",
          token
            ? "The account of your token has not been let into meta-llama/Llama-3.2-1B-Instruct. Accept its terms on its page; some wait for the owner's answer."
            : "meta-llama/Llama-3.2-1B-Instruct is gated: it is open only to people who accepted its terms.",
          details("meta-llama/Llama-3.2-1B-Instruct", {
            ...{ status: token ? 403 : 401, gated: true, hasToken: token !== null },
          }),
        ),
  "nobody/such-model": () =>
    new AppError(
      "file-missing",
      `${HOST} does not have the model nobody/such-model. Check the spelling.`,
      details("nobody/such-model", { status: 404 }),
    ),
  "busy/model": () =>
    new AppError(
      "network",
      `${HOST} takes no more requests for now. Try again in 42 seconds.`,
      details("busy/model", { status: 429, seconds: 42 }),
    ),
  "away/model": () =>
    new AppError(
      "network",
      `${HOST} cannot be reached for the model away/model: it did not answer. Check the network and the hub address.`,
      details("away/model", {}),
    ),
};

const DAY = 86_400_000;
const stored = (change: Partial<StoredRepository>): StoredRepository => ({
  ...{ key: "model Qwen", kind: "model", id: "Qwen/Qwen3-0.6B", commit: COMMIT, revision: "main" },
  ...{ host: HOST, bytes: 1_519_000_000, totalBytes: 1_519_000_000, complete: true },
  lastUsed: Date.UTC(2026, 2, 14, 9, 41),
  files: [
    { name: "config.json", bytes: 726, size: 726 },
    { name: "model.safetensors", bytes: 1_503_300_328, size: 1_503_300_328 },
  ],
  ...change,
});
const ENTRIES: readonly StoredRepository[] = [
  stored({}),
  stored({
    ...{
      key: "model gemma",
      id: "google/gemma-3-270m-it",
      commit: "ac82b4e820549b854eebf28ce6dedaf9fdfa17b3",
    },
    ...{
      bytes: 214_000_000,
      totalBytes: 536_000_000,
      complete: false,
      lastUsed: Date.UTC(2026, 2, 12, 17, 5),
    },
  }),
  stored({
    ...{ key: "dataset gsm8k", kind: "dataset", id: "openai/gsm8k", revision: null },
    ...{ bytes: 2_306_545, totalBytes: 2_306_545, lastUsed: Date.UTC(2026, 2, 14, 9, 40) - DAY },
    files: [{ name: "main/train-00000-of-00001.parquet", bytes: 2_306_545, size: 2_306_545 }],
  }),
];

type HubHandlers = Pick<
  Handlers,
  | "setHub"
  | "hubModel"
  | "hubDataset"
  | "checkToken"
  | "library"
  | "removeStored"
  | "keepStorage"
  | "planDownload"
>;

/** A hub with the answers that a page can get; a token with "good" in it opens everything. */
export function hubHandlers(scene: string): HubHandlers {
  let token: string | null = null;
  let entries = scene === "fresh" ? [] : ENTRIES;
  let persistent = false;
  return {
    setHub: async (hub) => {
      token = hub.token ?? null;
      return {};
    },
    hubModel: async ({ name, fresh = false }) => {
      await new Promise((done) => setTimeout(done, 150));
      const refusal = REFUSALS[name]?.(token);
      if (refusal) throw refusal;
      if (name === "EleutherAI/gpt-j-6b")
        return {
          ...model(name),
          ...{ modelType: "gptj", storedBytes: 0, bytes: 12_100_000_000, parameters: 6_050_000_000 },
          supported: {
            reason: "Supported are Llama, Mistral, Qwen2, Qwen3, Gemma 3 and GPT-2.",
            nearest: ["gpt2"],
          },
        };
      return fresh && name.startsWith("google/") ? { ...model(name), commit: "0f1e2d3c" } : model(name);
    },
    hubDataset: async ({ name }) => ({ name, ...DATASET }),
    checkToken: async (asked) => {
      if (asked.token.includes("bad"))
        throw new AppError("access-denied", `${HOST} does not accept this token.`, {
          details: { host: HOST, status: 401 },
        });
      return { user: "ada" };
    },
    library: async () => ({ entries, used: 1_830_000_000, quota: 10_400_000_000, persistent }),
    removeStored: async ({ key }) => {
      entries = entries.filter((entry) => entry.key !== key);
      return {};
    },
    keepStorage: async () => {
      persistent = true;
      return { persistent };
    },
    planDownload: async ({ given }) => {
      if (given["model_name"] === "EleutherAI/gpt-j-6b")
        throw new AppError("model-unsupported", "gptj is not supported.");
      return typeof given["model_name"] === "string" && given["model_name"].includes("/")
        ? {
            parts: [
              { what: "model", name: given["model_name"], bytes: 1_519_000_000 },
              { what: "data", name: "openai/gsm8k, train", bytes: 2_306_545 },
            ],
            total: 1_521_306_545,
          }
        : { parts: [], total: 0 };
    },
  };
}

/** A download on its way. */
export const arriving: WorkerEvent = {
  ...{ type: "download", key: "model Qwen", name: "Qwen/Qwen3-0.6B" },
  ...{ done: 812_000_000, total: 1_519_000_000, rate: 12_400_000 },
};
