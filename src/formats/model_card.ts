import { Document } from "yaml";
import { hubId } from "../lib/hub.ts";
import type { FloatDtype } from "./dtype.ts";

export interface MergeNote {
  readonly rank: number;
  readonly alpha: number;
  readonly useRslora: boolean;
  /** The types of the base's adapted matrices, which the adapter was added to. */
  readonly basePrecision: readonly string[];
  /** What the merged weights are stored as; "stored" is as in the base. */
  readonly dtype: FloatDtype | "stored";
}

/** What the model card says. Everything comes from the run; nothing is looked up. */
export interface ModelCard {
  /** What stands beside it: a LoRA adapter, a whole model that was trained, or the base with an adapter merged in. */
  readonly kind: "adapter" | "model" | "merged";
  /** How it was merged, for a merged model. */
  readonly merge?: MergeNote | undefined;
  readonly run: string;
  /** A Hugging Face id, or the name of a folder. */
  readonly baseModel: string | null;
  /** The commit of it that was trained. */
  readonly baseRevision?: string | null;
  /** The algorithm's key, such as `dr_grpo`. */
  readonly algorithm: string;
  /** The same for people, such as `Dr. GRPO`. */
  readonly algorithmLabel: string;
  readonly datasets: readonly string[];
  /** Of the base model, when known. */
  readonly license: string | null;
  /** Where the engine ran. */
  readonly place: "the browser" | "Node";
  /** What the GPU calls itself; null when that was not kept. */
  readonly device: string | null;
  readonly steps: number;
  /** The settings that people compare, in the order to show. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Last values of the metrics worth showing. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly versions: Readonly<Record<string, string>>;
  /** Whether tokenizer files stand beside the adapter. */
  readonly hasTokenizer: boolean;
  readonly hasChatTemplate: boolean;
  /** A prompt of the kind it was trained on. */
  readonly examplePrompt: string;
}

/** Where each method comes from: title, authors, year, arXiv number. */
const PAPERS: Readonly<Record<string, string>> = {
  dpo: "Direct Preference Optimization: Your Language Model is Secretly a Reward Model. Rafailov et al., 2023. [arXiv:2305.18290](https://arxiv.org/abs/2305.18290)",
  ppo: "Proximal Policy Optimization Algorithms. Schulman et al., 2017. [arXiv:1707.06347](https://arxiv.org/abs/1707.06347)",
  grpo: "DeepSeekMath: Pushing the Limits of Mathematical Reasoning in Open Language Models. Shao et al., 2024. [arXiv:2402.03300](https://arxiv.org/abs/2402.03300)",
  gspo: "Group Sequence Policy Optimization. Zheng et al., 2025. [arXiv:2507.18071](https://arxiv.org/abs/2507.18071)",
  dapo: "DAPO: An Open-Source LLM Reinforcement Learning System at Scale. Yu et al., 2025. [arXiv:2503.14476](https://arxiv.org/abs/2503.14476)",
  dr_grpo:
    "Understanding R1-Zero-Like Training: A Critical Perspective. Liu et al., 2025. [arXiv:2503.20783](https://arxiv.org/abs/2503.20783)",
};
const LORA_PAPER =
  "LoRA: Low-Rank Adaptation of Large Language Models. Hu et al., 2021. [arXiv:2106.09685](https://arxiv.org/abs/2106.09685)";

/** README.md of an adapter: the front matter that the Hub reads and what a person needs to use and judge it. */
export function formatModelCard(card: ModelCard): string {
  const title = oneLine(card.run);
  const base = card.baseModel === null ? "its base model" : `\`${oneLine(card.baseModel)}\``;
  const at = card.baseRevision ? ` (revision \`${oneLine(card.baseRevision)}\`)` : "";
  const data = card.datasets.map((name) => `\`${oneLine(name)}\``).join(", ");
  const sections = [
    `---\n${frontMatter(card)}---`,
    `# ${title}`,
    `${WHAT[card.kind]} ${base}${at}, trained with ${card.algorithmLabel}${data ? ` on ${data}` : ""}.`,
    ...(card.merge ? [mergeSentence(card.merge)] : []),
    "## Quick start",
    "With this folder as the working directory:",
    `\`\`\`python\n${quickStart(card)}\n\`\`\``,
    "## Training procedure",
    `Trained in ${card.place}${card.device === null ? "" : ` on ${oneLine(card.device)}`}, ${card.steps} steps. All settings are in \`training_config.yaml\`${card.kind === "merged" ? "" : ", all logged numbers in `trainer_state.json`"}.`,
    "### Hyper-parameters",
    table(["setting", "value"], card.settings),
    ...(Object.keys(card.metrics).length > 0
      ? ["### Metrics", table(["metric", "last value"], card.metrics)]
      : []),
    "### Framework versions",
    Object.entries(card.versions)
      .map(([name, version]) => `- ${name} ${version}`)
      .join("\n"),
    "## Citations",
    [PAPERS[card.algorithm], card.kind !== "model" ? LORA_PAPER : undefined]
      .flatMap((paper) => (paper === undefined ? [] : [`- ${paper}`]))
      .join("\n"),
  ];
  return `${sections.join("\n\n")}\n`;
}

const WHAT: Readonly<Record<ModelCard["kind"], string>> = {
  adapter: "A LoRA adapter of",
  model: "All weights of",
  merged: "All weights, with a LoRA adapter merged in, of",
};

/** From which numbers the sum was made: a merge into a quantised base would be another model. */
function mergeSentence({ rank, alpha, useRslora, basePrecision, dtype }: MergeNote): string {
  const stored = dtype === "stored" ? "as the base has them" : `as ${dtype}`;
  const scale = `${alpha} / ${useRslora ? `sqrt(${rank})` : rank}`;
  return `Every adapted matrix is W + ${scale} · B A. W is what the base's own files hold (${basePrecision.join(", ")}), not a 4-bit copy of it, and the sum was rounded once. The weights are stored ${stored}.`;
}

function frontMatter(card: ModelCard): string {
  // The hub refuses a commit whose card names a path or a file as a model or dataset.
  const datasets = card.datasets.filter((name) => hubId(name) !== undefined);
  const base = card.baseModel !== null && hubId(card.baseModel) !== undefined ? card.baseModel : undefined;
  // YAML 1.1, which the Hub's reader speaks: a name such as `no` or `1e3` must come back as text.
  const document = new Document(
    {
      ...(base === undefined ? {} : { base_model: base }),
      library_name: card.kind === "adapter" ? "peft" : "transformers",
      pipeline_tag: "text-generation",
      model_name: oneLine(card.run),
      tags: [...(card.kind === "adapter" ? ["lora"] : []), card.algorithm, "trl-compatible", "webgpu"],
      ...(datasets.length > 0 ? { datasets } : {}),
      ...(card.license === null ? {} : { license: card.license }),
    },
    { version: "1.1" },
  );
  return document.toString({ lineWidth: 0, directives: false });
}

type Loading = Pick<ModelCard, "kind" | "baseModel" | "hasTokenizer" | "hasChatTemplate" | "examplePrompt">;

/** A program that runs as it stands beside `folder`, or in it. JSON text is also a Python string. */
export function quickStart(card: Loading, folder = "."): string {
  const prompt = JSON.stringify(card.examplePrompt);
  const inputs = card.hasChatTemplate
    ? [
        `messages = [{"role": "user", "content": ${prompt}}]`,
        'inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True, return_tensors="pt")',
      ]
    : [`inputs = tokenizer(${prompt}, return_tensors="pt")`];
  return [
    ...(card.kind === "adapter" ? loadAdapter(card, folder) : loadModel(card, folder)),
    ...inputs,
    "output = model.generate(**inputs, max_new_tokens=128)",
    'print(tokenizer.decode(output[0][inputs["input_ids"].shape[1]:], skip_special_tokens=True))',
  ].join("\n");
}

function loadAdapter(card: Loading, folder: string): readonly string[] {
  return [
    "from peft import PeftModel",
    "from transformers import AutoModelForCausalLM, AutoTokenizer",
    "",
    `base = ${JSON.stringify(card.baseModel ?? "path/to/base-model")}  # a Hugging Face id, or the folder of the base model`,
    `adapter = ${JSON.stringify(folder)}`,
    `tokenizer = AutoTokenizer.from_pretrained(${card.hasTokenizer ? "adapter" : "base"})`,
    "model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter)",
  ];
}

function loadModel(card: Loading, folder: string): readonly string[] {
  return [
    "from transformers import AutoModelForCausalLM, AutoTokenizer",
    "",
    `tokenizer = AutoTokenizer.from_pretrained(${JSON.stringify(card.hasTokenizer ? folder : (card.baseModel ?? "path/to/base-model"))})`,
    `model = AutoModelForCausalLM.from_pretrained(${JSON.stringify(folder)})`,
  ];
}

function table(head: readonly [string, string], rows: Readonly<Record<string, unknown>>): string {
  const lines = Object.entries(rows).map(([name, value]) => `| ${inCell(name)} | ${inCell(show(value))} |`);
  return [`| ${head.join(" | ")} |`, "|---|---|", ...lines].join("\n");
}

function show(value: unknown): string {
  if (typeof value === "number")
    return Number.isInteger(value) ? `${value}` : `${Number(value.toPrecision(6))}`;
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "none");
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

function inCell(text: string): string {
  return oneLine(text).replaceAll("|", "\\|");
}
