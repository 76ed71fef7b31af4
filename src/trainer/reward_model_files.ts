import { loadChatTemplate } from "../data/chat_template.ts";
import { type EncodeTools, renderChat } from "../data/encode_turns.ts";
import type { Turns } from "../data/example.ts";
import { loadTokenizer } from "../data/tokenizer.ts";
import { type ModelFolder, openModelFolder } from "../formats/model_folder.ts";
import type { TensorSource } from "../formats/safetensors.ts";
import type { Host } from "../host/host.ts";
import { AppError } from "../lib/errors.ts";
import { readModelSpec } from "../model/registry.ts";
import type { ModelSpec } from "../model/spec.ts";

/** A prompt with an answer to it. */
export interface ScoredText {
  readonly prompt: Turns;
  readonly completion: string;
}

/** A reward model whose files have been checked; no device is touched yet. */
export interface RewardModelFiles {
  readonly model: ModelFolder;
  readonly spec: ModelSpec;
  /** Its own tokenizer and chat template. */
  readonly tools: EncodeTools;
  /** (1, hidden) */
  readonly head: TensorSource;
  readonly padId: number | undefined;
}

/** The name of the weights that give the score. */
export const HEAD = "score.weight";
const KIND =
  "A reward model is a sequence classification model of one label: config.json names an architecture that ends in ForSequenceClassification, and score.weight is (1, hidden size).";

/**
 * Opens a model in the layout of transformers' sequence classification models of one label. Throws `model-invalid` and
 * `model-unsupported` for another kind of model, and what its files can be refused for.
 */
export async function openRewardModel(
  host: Pick<Host, "openModel">,
  name: string,
): Promise<RewardModelFiles> {
  const folder = await host.openModel(name);
  if (!(await folder.open("config.json")) && (await folder.open("adapter_config.json"))) {
    throw refused(name, "is an adapter. Merge it into its base model and name the result.");
  }
  const model = await openModelFolder(folder);
  const { config, tensors } = model;
  const [architecture] = Array.isArray(config["architectures"]) ? config["architectures"].map(String) : [];
  if (architecture === undefined) {
    throw refused(name, `does not say what it is: its config.json has no architectures. ${KIND}`);
  }
  if (!architecture.endsWith("ForSequenceClassification")) {
    throw refused(name, `is a ${architecture}, which gives no score. ${KIND}`);
  }
  const spec = specOf(name, config);
  const tokenizer = await loadTokenizer(folder);
  if (tokenizer.vocabSize > spec.vocab) {
    throw refused(
      name,
      `has a tokenizer of ${tokenizer.vocabSize} tokens and a model of ${spec.vocab}: they do not belong together.`,
    );
  }
  const head = tensors.get(HEAD);
  if (!head) {
    const other = ["classifier.weight", "score.dense.weight", "lm_head.weight"].find((key) =>
      tensors.has(key),
    );
    throw refused(name, `has no ${HEAD}${other ? `, but ${other}` : ""}. ${KIND}`);
  }
  const [labels, hidden] = head.shape;
  if (labels !== 1) {
    throw refused(name, `has ${labels} labels, and a reward is one number. ${KIND}`, { labels });
  }
  if (head.shape.length !== 2 || hidden !== spec.hidden) {
    throw refused(
      name,
      `has a ${HEAD} of (${head.shape.join(", ")}), but config.json makes it (1, ${spec.hidden}).`,
    );
  }
  if (tensors.has("score.bias")) {
    throw refused(name, `has a score.bias, which transformers' models do not have. ${KIND}`);
  }
  const pad = config["pad_token_id"];
  const tools = { tokenizer, template: await loadChatTemplate(folder, tokenizer) };
  return { model, spec, tools, head, padId: typeof pad === "number" ? pad : undefined };
}

/** There is no head over the vocabulary in the file; the embedding in its place takes no memory. */
function specOf(name: string, config: ModelFolder["config"]): ModelSpec {
  try {
    const spec = readModelSpec(config);
    return { ...spec, head: spec.embedding };
  } catch (cause) {
    if (!(cause instanceof AppError)) throw cause;
    throw new AppError(cause.code, `The reward model ${name} cannot be used. ${cause.message}`, {
      details: { ...cause.details, key: "reward_model_name" },
      cause,
    });
  }
}

function refused(name: string, what: string, details: Record<string, unknown> = {}): AppError {
  return new AppError("model-invalid", `reward_model_name: ${name} ${what}`, {
    details: { ...details, key: "reward_model_name" },
  });
}

/** Throws `template-invalid` when the reward model cannot be shown one of these prompts. */
export function checkPrompts({ tools, model }: RewardModelFiles, prompts: readonly Turns[]): void {
  for (const prompt of prompts) {
    if (typeof prompt === "string") continue;
    if (!tools.template) {
      throw new AppError(
        "template-invalid",
        `The prompts are conversations, and the reward model ${model.name} has no chat template to show them with. Add chat_template.jinja to its folder, or give prompts as plain text.`,
        { details: { key: "reward_model_name" } },
      );
    }
    textOf({ prompt, completion: "" }, tools);
  }
}

/** A conversation that ends with the answer, or one text after the other. */
export function textOf({ prompt, completion }: ScoredText, tools: EncodeTools): string {
  if (typeof prompt === "string") return prompt + completion;
  return renderChat([...prompt, { role: "assistant", content: completion }], tools, false, undefined);
}
