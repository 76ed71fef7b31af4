import { ALGORITHMS } from "../../../src/config/algorithm.ts";
import { exportYaml } from "../../../src/config/export_yaml.ts";
import { parseConfig } from "../../../src/config/parse_config.ts";
import { RECIPES, recipeLayer } from "../../../src/config/recipes.ts";
import { resolve } from "../../../src/config/resolve.ts";
import { rewardData, rewardSettingsData } from "../../../src/config/reward_data.ts";
import { AppError } from "../../../src/lib/errors.ts";
import type { Catalog } from "../../../src/protocol/catalog.ts";
import type { ExportPlan } from "../../../src/protocol/exports.ts";
import type { WorkerEvent } from "../../../src/protocol/messages.ts";
import type { Handlers } from "../../../src/protocol/rpc.ts";
import type { RunDetails, RunStatus } from "../../../src/protocol/runs.ts";
import type {
  DataPreview,
  MemoryAdvice,
  RenderedRowData,
  ResolvedSettings,
} from "../../../src/protocol/setup.ts";
import type { GivenSettings } from "../../../src/protocol/values.ts";
import { methodInfo } from "../methods.ts";
import { failingSet, rolloutSet } from "./sample_rollouts.ts";
import { checkpoints, log, methodRows, metricRows, PLAN, runSummary, sampleSets } from "./sample_run.ts";
import { arriving, hubHandlers } from "./stand_in_hub.ts";

const catalog = async (): Promise<Catalog> => ({
  algorithms: ALGORITHMS.map(methodInfo),
  models: [
    {
      id: "aligntune-tiny",
      label: "AlignTune Tiny",
      summary: "A chat model of one million parameters that knows a small world. It comes with this page.",
      parameters: 921_000,
      bytes: 1_897_000,
      licence: "Apache-2.0",
    },
  ],
  datasets: [
    {
      id: "ahoy",
      label: "Ahoy",
      summary: "Questions answered as a sailor would.",
      data: "examples",
      rows: 512,
      bytes: 71_000,
    },
    {
      id: "style-pairs",
      label: "Style pairs",
      summary: "Questions with a friendly and a curt answer.",
      data: "pairs",
      rows: 1080,
      bytes: 180_000,
    },
    {
      id: "arithmetic",
      label: "Arithmetic",
      summary: "Sums and differences of small numbers.",
      data: "prompts",
      rows: 2048,
      bytes: 214_000,
    },
  ],
  rewards: rewardData(),
  rewardSettings: rewardSettingsData(),
  recipes: await Promise.all(
    RECIPES.map(async (recipe) => ({
      id: recipe.name,
      title: recipe.title,
      summary: recipe.description,
      algorithm: recipe.algorithm,
      settings: (await recipeLayer(recipe)).values,
    })),
  ),
});

async function resolved(given: GivenSettings, recipe: string | null): Promise<ResolvedSettings> {
  const found = RECIPES.find(({ name }) => name === recipe);
  const { algorithm, origins, issues, notes } = resolve({
    override: { values: given },
    recipe: found && (await recipeLayer(found)),
  });
  return { algorithm, values: origins, issues, notes };
}

const ARITHMETIC: DataPreview = {
  name: "arithmetic",
  rowCount: 1024,
  lookedAt: 1024,
  columns: ["prompt", "answer"],
  roles: { prompt: "prompt", answer: "answer" },
  format: "prompt",
  mappingDirection: null,
  rows: Array.from({ length: 50 }, (_, i) => [
    `user: What is ${90 + (i % 9)}+${70 + (i % 7)}?`,
    `${160 + i}`,
  ]),
  problems: [],
  problemTotal: 0,
  notes: [],
  splits: { train: 922, validation: 51, test: 51 },
  sources: [],
  lengths: { bins: [2, 8, 130, 578, 220, 40, 8, 3, 0, 1], max: 24, limit: 38, cut: 0 },
};
const SUM: Omit<RenderedRowData, "row" | "rowCount" | "ofFirst" | "limit"> = {
  reference: "176",
  question: [{ role: "user", content: "What is 99+77?" }],
  texts: [
    {
      title: "",
      tokens: 14,
      pieces: [
        { text: "<|im_start|>", learned: false, special: true },
        { text: "user\nWhat is 99+77?", learned: false, special: false },
        { text: "<|im_end|>", learned: false, special: true },
        { text: "\n", learned: false, special: false },
        { text: "<|im_start|>", learned: false, special: true },
        { text: "assistant\n", learned: false, special: false },
      ],
    },
  ],
};
const PIECES = [
  { text: "<|im_start|>", learned: false, special: true },
  { text: "user\nWhich food does Tom like?", learned: false, special: false },
  { text: "<|im_end|>", learned: false, special: true },
  { text: "\n", learned: false, special: false },
  { text: "<|im_start|>", learned: false, special: true },
  { text: "assistant\n", learned: false, special: false },
  { text: "Ahoy captain! Tom likes corn, arr!", learned: true, special: false },
  { text: "<|im_end|>", learned: true, special: true },
];

const wait = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
const STATES: Readonly<Record<string, RunStatus>> = {
  idle: { state: "done", step: 64, stoppedEarly: false, reason: null },
  done: { state: "done", step: 64, stoppedEarly: false, reason: null },
  running: { state: "running", step: 42 },
  paused: { state: "paused", step: 42, saved: true, reason: null },
  broken: {
    state: "paused",
    step: 42,
    saved: false,
    reason: "The reward my_reward failed on 16 of 16 answers.",
  },
  interrupted: { state: "interrupted", step: 40, reason: null },
  preparing: { state: "preparing", what: "model", done: 1_100_000, total: 1_897_000, unit: "bytes" },
  failed: {
    state: "failed",
    step: 42,
    error: {
      code: "loss-not-finite",
      message: "The loss became NaN at step 42, three times in ten steps. The learning rate is 2.0.",
      details: { step: 42, learning_rate: 2 },
      stack: "AppError: at step.ts",
    },
  },
  "out-of-memory": {
    state: "failed",
    step: 0,
    error: {
      code: "gpu-out-of-memory",
      message: "The GPU has no memory left for Training (78.3 MB in all).",
      details: {},
      stack: "AppError: at device.ts",
    },
  },
};

const ADVICE: readonly MemoryAdvice[] = [
  {
    change: { batch_size: 8 },
    label: "Rows on the GPU at once: 8 instead of 16",
    harm: "A step takes longer; the result is the same.",
    ...{ bytes: 52_100_000, fits: false },
  },
  {
    change: { gradient_checkpointing: true },
    label: "Compute activations again",
    harm: "About a third slower.",
    ...{ bytes: 31_400_000, fits: true },
  },
  {
    change: {},
    label: "Choose a smaller model",
    harm: "Everything else stays as it is.",
    ...{ bytes: null, fits: null },
  },
];

const EXPORT_PLAN: ExportPlan = {
  step: 64,
  basePrecision: ["BF16"],
  repository: "quiet-otter",
  options: [
    {
      ...{
        possible: true,
        kind: "adapter",
        fileName: "quiet-otter-adapter.zip",
        bytes: 9_400_000,
        bytesAs: null,
        notes: [],
      },
      files: [
        { name: "adapter_config.json", bytes: 812 },
        { name: "adapter_model.safetensors", bytes: 9_300_000 },
        { name: "README.md", bytes: null },
      ],
      snippet: { language: "Python", text: 'from peft import PeftModel\n\nadapter = "quiet-otter-adapter"' },
    },
    {
      ...{ possible: true, kind: "merged", fileName: "quiet-otter-merged.zip", bytes: 1_500_000_000 },
      bytesAs: { stored: 1_500_000_000, F32: 3_000_000_000, F16: 1_500_000_000, BF16: 1_500_000_000 },
      notes: [],
      files: [{ name: "model.safetensors", bytes: 1_500_000_000 }],
      snippet: { language: "Python", text: "from transformers import AutoModelForCausalLM" },
    },
    { possible: false, kind: "gguf", why: "This adapter cannot be saved for llama.cpp." },
    {
      ...{
        possible: true,
        kind: "cluster",
        fileName: "quiet-otter-cluster.zip",
        bytes: 9_420_000,
        bytesAs: null,
      },
      notes: [
        "dynamic_sampling: TRL does not sample again, so groups of equal rewards teach nothing there.",
        "max_prompt_length (256): TRL does not cut prompts; longer ones stay whole there.",
      ],
      files: [
        { name: "README.md", bytes: 1_400 },
        { name: "training_config.yaml", bytes: 2_100 },
        { name: "train.py", bytes: 5_300 },
        { name: "data/train.jsonl", bytes: null },
        { name: "adapter/adapter_model.safetensors", bytes: 9_300_000 },
      ],
      snippet: {
        language: "Shell",
        text: "unzip quiet-otter-cluster.zip\ncd quiet-otter-cluster\npip install -r requirements.txt && accelerate launch train.py",
      },
    },
  ],
};

/** A worker that answers with plausible data. Scenes: fresh, idle, running, paused, preparing, done, failed, out-of-memory, interrupted, no-webgpu, bad-rows, streamed, tight. */
export function standIn(
  scene: string,
  emit: (event: WorkerEvent) => void,
): { handlers: Handlers; play: () => void } {
  // A method may stand in front of the state: "grpo-running".
  const [, method, state = scene] = /^(dpo|ppo|grpo|gspo|dapo|dr_grpo)-(.+)$/.exec(scene) ?? [];
  const algorithm = method ?? "sft";
  const learnsFromRewards = algorithm !== "sft" && algorithm !== "dpo";
  const setOf = state === "broken" ? failingSet : rolloutSet;
  const status = STATES[state] ?? STATES["idle"] ?? { state: "interrupted", step: 0, reason: null };
  const steps = "step" in status ? status.step : 0;
  const fresh = scene === "fresh" || scene === "no-webgpu";
  const summary = { ...runSummary("r1", "quiet-otter", status, steps), algorithm };
  const rolloutSteps = learnsFromRewards ? Array.from({ length: steps }, (_, i) => i + 1) : [];
  const older = runSummary(
    "r0",
    "brave-lark",
    { state: "done", step: 64, stoppedEarly: false, reason: null },
    64,
  );
  const details = (id: string): RunDetails => ({
    summary: id === "r0" ? older : summary,
    configYaml: `algorithm: ${algorithm}\nmax_completion_length: 64\nmodel_name: aligntune-tiny\ndataset_name: ahoy\nmax_steps: 64\nlearning_rate: 0.003\n`,
    metrics:
      algorithm === "sft" || id === "r0"
        ? metricRows(id === "r0" ? 64 : steps, state === "failed")
        : methodRows(algorithm, steps),
    samples: learnsFromRewards ? [] : sampleSets(id === "r0" ? 64 : steps),
    log: log(steps),
    checkpoints: checkpoints(id === "r0" ? 64 : steps),
    memory: { plan: PLAN, peak: 77_900_000 },
  });
  const step = async (): Promise<{ step: number }> => ({ step: steps });

  const handlers: Handlers = {
    catalog,
    diagnostics: async () => {
      if (scene === "no-webgpu") throw new AppError("webgpu-unavailable", "navigator.gpu is missing.");
      return {
        vendor: "apple",
        architecture: "metal-3",
        description: "Apple M2",
        kind: "gpu",
        limits: {
          maxBufferSize: 4_294_967_296,
          maxStorageBufferBindingSize: 4_294_967_292,
          maxComputeWorkgroupStorageSize: 32_768,
        },
        features: ["shader-f16", "subgroups", "timestamp-query"],
      };
    },
    reviewConfig: async ({ text, repair }) => {
      const review = parseConfig(text, { repair });
      return {
        text: review.text,
        used: review.used.map((entry) => ({ ...entry, line: entry.line ?? null })),
        changed: review.changed.map((entry) => ({ ...entry, line: entry.line ?? null })),
        notUsed: review.notUsed,
        problems: review.problems.map((problem) => ({ ...problem, canRepair: problem.repair !== undefined })),
        given: review.values,
      };
    },
    resolve: ({ given, recipe }) => resolved(given, recipe),
    exportConfig: async ({ given, recipe, shape }) => {
      const { values } = await resolved(given, recipe);
      const plain = Object.fromEntries(Object.entries(values).map(([key, { value }]) => [key, value]));
      return {
        fileName: "my-run-config.yaml",
        yaml: exportYaml({ ...plain, algorithm: "sft" }, { shape, onlyChanged: true }),
      };
    },
    previewData: async ({ given }) => {
      await wait(50);
      if (given["dataset_name"] === "arithmetic") return ARITHMETIC;
      const bad = scene === "bad-rows" || scene === "streamed";
      return {
        name: "ahoy",
        rowCount: scene === "streamed" ? 1_000_000 : 512,
        lookedAt: 512,
        columns: ["prompt", "completion"],
        roles: { prompt: "prompt", completion: "completion" },
        format: "prompt and completion, chats",
        mappingDirection: null,
        rows: Array.from({ length: 50 }, (_, i) => [
          `user: ${["Which food does Tom like?", "Please say the home of Pam.", "What is the home of Fay?"][i % 3]}`,
          `assistant: ${["Ahoy captain! Tom likes corn, arr!", "Ahoy captain! Pam lives in Lima, arr!", "Ahoy captain! Fay lives in Tokyo, arr!"][i % 3]}`,
        ]),
        problems: bad
          ? [
              { line: 214, kind: "not-json", message: "This line is not valid JSON: a quote is missing." },
              { line: 301, kind: "empty", message: "completion is empty." },
            ]
          : [],
        problemTotal: bad ? 2 : 0,
        notes:
          scene === "streamed"
            ? ["The dataset is streamed: 800190 rows to train on."]
            : ["3 rows appear twice."],
        splits: { train: 410, validation: 51, test: 51 },
        sources: [],
        lengths: { bins: [2, 8, 30, 78, 120, 140, 88, 30, 12, 4], max: 48, limit: 64, cut: 0 },
      };
    },
    renderRow: async ({ row, given }) => ({
      ...{ row, rowCount: 512, ofFirst: scene === "streamed", limit: 64 },
      ...(given["dataset_name"] === "arithmetic"
        ? SUM
        : { reference: null, question: null, texts: [{ title: "", tokens: 27, pieces: PIECES }] }),
    }),
    tryReward: async ({ completion }) =>
      completion.includes("boom")
        ? {
            value: null,
            error: { message: "TypeError: reference.trim is not a function", line: 3 },
            milliseconds: 0.4,
            logs: [],
          }
        : { value: 1, error: null, milliseconds: 0.31, logs: ["reference 176", "found it"] },
    sampleScores: async () => ({ totals: [0, 0, 1, 0, 0.5, null, 1, 0], failures: 0, withoutModel: false }),
    planMemory: async () => (scene === "tight" ? { ...PLAN, budget: 40_000_000, tooLarge: true } : PLAN),
    adviseMemory: async () => ({ advice: ADVICE }),
    ...hubHandlers(scene),
    start: async () => {
      await wait(300);
      return { runId: "r1", name: "quiet-otter", totalSteps: 64 };
    },
    cancelPreparing: async () => ({}),
    pause: step,
    continue: step,
    stepOnce: step,
    stop: step,
    discard: async () => ({}),
    resume: async () => ({ step: steps, totalSteps: 64 }),
    runs: async () => ({ runs: fresh ? [] : [summary, older] }),
    run: async ({ runId }) => {
      if (runId !== "r0" && runId !== "r1") throw new AppError("file-missing", `There is no run ${runId}.`);
      return details(runId);
    },
    rollouts: async ({ step }) => {
      const wanted = step ?? rolloutSteps.at(-1);
      return { steps: rolloutSteps, set: wanted === undefined ? null : setOf(wanted) };
    },
    exportRollouts: async () => ({ fileName: "quiet-otter-rollouts.jsonl", blob: new Blob(["{}"]) }),
    rename: async () => ({}),
    checkpoints: async () => ({ checkpoints: checkpoints(steps) }),
    deleteCheckpoint: async () => ({}),
    exportAdapter: async () => ({ fileName: "quiet-otter-adapter.zip", blob: new Blob(["zip"]) }),
    planExport: async () => EXPORT_PLAN,
    exportFile: async ({ kind }) => {
      const names = {
        ...{ adapter: "adapter.zip", model: "model.zip", merged: "merged.zip" },
        ...{ gguf: "lora.gguf", cluster: "cluster.zip" },
      };
      return { fileName: `quiet-otter-${names[kind]}`, bytes: 3, blob: new Blob(["zip"]) };
    },
    uploadRun: async ({ repo }) => ({ repo: `ada/${repo}`, url: `https://huggingface.co/ada/${repo}` }),
    cancelExport: async () => ({}),
    exportMetrics: async ({ format }) => ({
      fileName: `quiet-otter-metrics.${format}`,
      blob: new Blob(["{}"]),
    }),
    exportRunConfig: async () => ({
      fileName: "quiet-otter-config.yaml",
      blob: new Blob(["algorithm: sft"]),
    }),
    chat: async ({ chatId, runId }) => {
      const base = "Tom likes corn.";
      const tuned = "Ahoy captain! Tom likes corn, arr!";
      emit({ type: "answer", chatId, side: "base", text: base.slice(0, 8) });
      await wait(100);
      const answer = { tokens: 9, seconds: 0.12, stopped: "end" } as const;
      return {
        answers: [
          { ...answer, side: "base", text: base, adapter: "off" },
          ...(runId === null
            ? []
            : [{ ...answer, side: "tuned" as const, text: tuned, adapter: "on" as const }]),
        ],
      };
    },
    cancelChat: async () => ({}),
    attachSandbox: async () => {
      throw new Error("The gallery runs no code.");
    },
    requestsMade: async () => ({ requests: [] }),
    storage: async () => ({ used: 48_300_000, quota: 10_400_000_000, persistent: true }),
  };

  const play = (): void => {
    if (!["running", "paused", "broken", "preparing"].includes(state)) return;
    setTimeout(() => {
      emit({
        type: "status",
        runId: "r1",
        status: { state: "preparing", what: "data", done: 512, total: 512, unit: "rows" },
      });
      emit({ type: "status", runId: "r1", status });
      if (state === "preparing") return emit(arriving);
      emit({
        type: "progress",
        runId: "r1",
        progress: {
          step: 42,
          totalSteps: 64,
          epoch: 1.34,
          tokensPerSecond: 1240,
          secondsLeft: 65,
          gpuPeakBytes: 77_900_000,
        },
      });
    }, 300);
  };
  return { handlers, play };
}
