import { promptIds } from "../../api/sampler.ts";
import type { Message } from "../../data/message.ts";
import { type ModelFolder, openModelFolder } from "../../formats/model_folder.ts";
import { openGpu } from "../../gpu/device.ts";
import type { Folder } from "../../host/host.ts";
import { createNodeHost } from "../../host/node.ts";
import { profileFor } from "../../kernels/profile.ts";
import { AppError } from "../../lib/errors.ts";
import { readAdapterFor } from "../../model/adapter_file.ts";
import { loadFrozen } from "../../model/loaded_model.ts";
import { readModelSpec } from "../../model/registry.ts";
import type { ModelSpec } from "../../model/spec.ts";
import { Generator } from "../../rollout/generator.ts";
import { checkSampling, type Sampling } from "../../rollout/sampling.ts";
import type { Completion } from "../../rollout/sequences.ts";
import { loadTextTools, type TextTools } from "../../trainer/prepare_data.ts";
import { toldHub } from "../downloads.ts";
import type { Output } from "../output.ts";
import { type Prompt, readPrompts } from "../prompts.ts";
import { publicDir } from "../public_dir.ts";

export interface GenerateArguments {
  readonly model: string;
  readonly adapter: string | undefined;
  readonly prompts: readonly string[];
  readonly promptsFile: string | undefined;
  readonly system: string | undefined;
  /** Continues the text itself, without the chat template. */
  readonly raw: boolean;
  readonly maxNewTokens: number;
  readonly samples: number;
  readonly sampling: Sampling;
}

/** Sequences side by side, and prompt tokens in one prefill unless a prompt is longer. */
const ROWS = 16;
const PREFILL = 1024;

/** `aligntune generate`: answers of a model, with an adapter where one is given, in the order of the prompts. */
export async function generate(args: GenerateArguments, output: Output): Promise<number> {
  checkSampling(args.sampling);
  checkCount("max-new-tokens", args.maxNewTokens);
  checkCount("samples", args.samples);
  const host = createNodeHost({ publicDir: publicDir(), hub: toldHub(output.downloads), runDir: () => "" });
  const file = args.promptsFile === undefined ? [] : await readPrompts(host, args.promptsFile);
  const prompts = [...args.prompts, ...file];
  if (prompts.length === 0)
    throw new AppError("config-invalid", "generate needs --prompt TEXT or --prompts FILE.");
  const model = await openModelFolder(await host.openModel(args.model));
  const spec = readModelSpec(model.config);
  const adapterFolder = args.adapter === undefined ? undefined : await host.openAdapter(args.adapter);
  const adapter = adapterFolder && (await readAdapterFor(spec, adapterFolder));
  for (const note of adapter?.notes ?? []) output.say(`Note: ${note}`);
  const tools = await loadTextTools(await textFolder(model, adapterFolder), { chat_template: null });
  if (!tools.template && !args.raw)
    output.say("Note: This model has no chat template. The text is continued as it stands.");
  const ids = prompts.map((prompt) => idsOf(prompt, tools, args));
  checkLengths(ids, args, spec);
  const gpu = await openGpu();
  try {
    const loaded = await loadFrozen(gpu, { model, spec, adapter, baseFormat: "stored" });
    const longest = Math.max(...ids.map((each) => each.length));
    const total = ids.reduce((sum, each) => sum + each.length, 0);
    const generator = await Generator.create(gpu, {
      ...{ spec, ...loaded, profile: profileFor(gpu.capabilities) },
      maxSequences: Math.min(ROWS, prompts.length * args.samples),
      maxPromptTokens: Math.max(longest, Math.min(total, PREFILL)),
      maxLength: longest + args.maxNewTokens,
    });
    await answerAll(generator, { prompts, ids, tools }, args, output);
    return 0;
  } finally {
    gpu.close();
  }
}

/** As many prompts at a time as fit side by side; each answer's noise depends on its place among all of them. */
async function answerAll(
  generator: Generator,
  work: { prompts: readonly Prompt[]; ids: readonly Int32Array[]; tools: TextTools },
  args: GenerateArguments,
  output: Output,
): Promise<void> {
  const { samples, maxNewTokens, sampling } = args;
  const { prompts, ids, tools } = work;
  const alone = prompts.length * samples === 1;
  const perRound = Math.max(1, Math.floor(generator.rows / samples));
  for (let first = 0; first < prompts.length; first += perRound) {
    const round = ids.slice(first, first + perRound);
    const show = alone ? streamer(tools, output) : undefined;
    const completions = await generator.generate({
      ...{ prompts: round, maxNewTokens, sampling, samplesPerPrompt: samples },
      stopIds: tools.tokenizer.stopIds,
      keys: Array.from({ length: round.length * samples }, (_, i) => first * samples + i),
      ...(show && { onTokens: (_: number, tokens: readonly number[]) => show(tokens) }),
    });
    if (alone) output.stream("\n");
    completions.forEach((completion, i) => {
      const prompt = prompts[first + Math.floor(i / samples)] ?? "";
      tell(prompt, completion, samples > 1 ? i % samples : undefined, { alone, tools, output });
    });
  }
}

function tell(
  prompt: Prompt,
  { ids, stopped }: Completion,
  sample: number | undefined,
  { alone, tools, output }: { alone: boolean; tools: TextTools; output: Output },
): void {
  const text = tools.tokenizer.decode(ids, { skipSpecialTokens: true });
  const last = typeof prompt === "string" ? prompt : (prompt.at(-1)?.content ?? "");
  output.emit(
    { prompt, ...(sample !== undefined && { sample }), text, ids, stopped },
    alone ? undefined : `> ${last}\n${text}\n`,
  );
}

/** Writes what is new of an answer as it grows. A character that is not whole yet waits for its other tokens. */
function streamer({ tokenizer }: TextTools, output: Output): (tokens: readonly number[]) => void {
  const ids: number[] = [];
  let shown = 0;
  return (tokens) => {
    ids.push(...tokens);
    const text = tokenizer.decode(ids, { skipSpecialTokens: true });
    const whole = text.replace(/\uFFFD+$/, "");
    if (whole.length > shown) output.stream(whole.slice(shown));
    shown = Math.max(shown, whole.length);
  };
}

/** Tokenizer and template as the adapter was trained with, where its folder has them; else the model's. */
async function textFolder({ folder }: ModelFolder, adapter: Folder | undefined): Promise<Folder> {
  if (!adapter || (await adapter.open("tokenizer.json")) === undefined) return folder;
  return {
    name: adapter.name,
    list: async () => [...new Set([...(await adapter.list()), ...(await folder.list())])].sort(),
    open: async (file) => (await adapter.open(file)) ?? (await folder.open(file)),
  };
}

function idsOf(prompt: Prompt, tools: TextTools, { raw, system }: GenerateArguments): Int32Array {
  const isPlain = typeof prompt === "string" && (raw || !tools.template);
  if (isPlain && system !== undefined)
    throw new AppError(
      "config-invalid",
      "--system needs a chat template, which plain text does not go through.",
    );
  if (isPlain) return promptIds(prompt, tools);
  if (raw) throw new AppError("config-invalid", "--raw continues texts; this prompt is a conversation.");
  const turns: readonly Message[] = typeof prompt === "string" ? [{ role: "user", content: prompt }] : prompt;
  const starts =
    system === undefined || turns[0]?.role === "system" ? [] : [{ role: "system", content: system }];
  return promptIds([...starts, ...turns], tools);
}

function checkCount(option: string, value: number): void {
  if (Number.isInteger(value) && value >= 1) return;
  throw new AppError("config-invalid", `--${option} must be an integer of at least 1, and is ${value}.`);
}

function checkLengths(
  ids: readonly Int32Array[],
  { maxNewTokens }: GenerateArguments,
  spec: ModelSpec,
): void {
  ids.forEach(({ length }, i) => {
    if (length > 0 && length + maxNewTokens <= spec.maxPositions) return;
    const rule =
      length === 0
        ? "is empty: generation needs at least one token to start from."
        : `has ${length} tokens; with ${maxNewTokens} new ones that is more than the model's ${spec.maxPositions} positions. Shorten it or lower --max-new-tokens.`;
    throw new AppError("config-invalid", `Prompt ${i + 1} ${rule}`, { details: { prompt: i } });
  });
}
