import type { CommonConfig } from "../config/fields.ts";
import type { TemplateVariables } from "../data/encode_turns.ts";
import type { Example, Turns } from "../data/example.ts";
import type { Message } from "../data/message.ts";
import { AppError } from "../lib/errors.ts";
import { Generator } from "../rollout/generator.ts";
import type { TextTools } from "../trainer/prepare_data.ts";
import { templateVariables } from "../trainer/template_use.ts";
import type { OpenTrainer } from "./open_trainer.ts";

export interface Sample {
  readonly prompt: string;
  readonly answer: string;
  readonly reference: string | null;
}

export interface SamplePrompt {
  readonly text: string;
  readonly ids: Int32Array;
  readonly reference: string | null;
}

/** Prompts that the page shows answers to, when the configuration names none. */
const DEFAULT_PROMPTS = 4;

/** What answers, and what it is asked. */
type Sampled = Pick<OpenTrainer, "engine" | "gpu" | "spec" | "tools" | "dataset">;

/** Answers of a model in training to fixed prompts. Greedy unless the configuration says otherwise. */
export class Sampler {
  readonly #generator: Generator;
  readonly #prompts: readonly SamplePrompt[];
  readonly #trainer: Sampled;
  readonly #config: CommonConfig;

  private constructor(
    generator: Generator,
    prompts: readonly SamplePrompt[],
    trainer: Sampled,
    config: CommonConfig,
  ) {
    this.#generator = generator;
    this.#prompts = prompts;
    this.#trainer = trainer;
    this.#config = config;
  }

  /**
   * Plans generation beside a trainer: the prompts of sample_prompts, else of the first held-out rows. Undefined when there
   * is nothing to ask. Throws `gpu-out-of-memory`.
   */
  static async create(trainer: Sampled, config: CommonConfig): Promise<Sampler | undefined> {
    const { engine, gpu, spec } = trainer;
    const prompts = samplePrompts(trainer, config);
    if (prompts.length === 0) return undefined;
    const { weights, adapter, profile, arena } = engine;
    const generator = await Generator.create(gpu, {
      spec,
      weights,
      adapter,
      profile,
      arena,
      ...sizesFor(prompts, config),
    });
    return new Sampler(generator, prompts, trainer, config);
  }

  async sample(): Promise<Sample[]> {
    const { tools } = this.#trainer;
    const { sample_temperature: temperature, sample_top_p: top_p, seed } = this.#config;
    const completions = await this.#generator.generate({
      prompts: this.#prompts.map(({ ids }) => ids),
      maxNewTokens: this.#config.sample_max_new_tokens,
      sampling: { temperature, top_p, top_k: 0, min_p: 0, repetition_penalty: 1, seed },
      stopIds: tools.tokenizer.stopIds,
    });
    return completions.map(({ ids }, i) => ({
      prompt: this.#prompts[i]?.text ?? "",
      answer: tools.tokenizer.decode(ids, { skipSpecialTokens: true }),
      reference: this.#prompts[i]?.reference ?? null,
    }));
  }
}

/** The prompts of sample_prompts, else of some held-out rows (training rows where none are held out). */
export function samplePrompts(
  { tools, dataset }: Pick<OpenTrainer, "tools" | "dataset">,
  config: CommonConfig,
): SamplePrompt[] {
  const given = config.sample_prompts.map((text) => ({
    turns: asTurns(text, tools, config),
    text,
    reference: null,
  }));
  const { validation = [], train = [] } = dataset ?? {};
  const rows = validation.length > 0 ? validation : train;
  const chosen = given.length > 0 ? given : spread(rows, DEFAULT_PROMPTS).flatMap(promptOf);
  const { templateVariables: variables } = templateVariables(config);
  return chosen.map(({ turns, text, reference }) => ({
    ...{ text, reference },
    ids: promptIds(turns, tools, variables),
  }));
}

/** What a generator for these prompts must hold. */
export function sizesFor(prompts: readonly SamplePrompt[], config: CommonConfig) {
  const longest = Math.max(...prompts.map(({ ids }) => ids.length));
  return {
    maxSequences: prompts.length,
    maxPromptTokens: prompts.reduce((sum, { ids }) => sum + ids.length, 0),
    maxLength: longest + config.sample_max_new_tokens,
  };
}

/** Rows from all over a list, so that samples are not four of a kind. */
function spread<T>(rows: readonly T[], count: number): T[] {
  const n = Math.min(count, rows.length);
  return Array.from({ length: n }, (_, i) => rows[Math.floor((i * rows.length) / n)] as T);
}

/** The question of a row and the answer it has; none for plain text, or where only the answers are there. */
export function promptOf(example: Example): { turns: Turns; text: string; reference: string | null }[] {
  switch (example.kind) {
    case "text":
      return [];
    case "prompt_completion": {
      const { prompt, completion } = example;
      return [{ turns: prompt, text: lastText(prompt), reference: lastText(completion) }];
    }
    case "preference": {
      const { prompt, chosen } = example;
      return prompt === undefined
        ? []
        : [{ turns: prompt, text: lastText(prompt), reference: lastText(chosen) }];
    }
    case "prompt":
      return [{ turns: example.prompt, text: lastText(example.prompt), reference: example.reference }];
    case "messages": {
      const last = example.messages.findLastIndex(({ role }) => role === "assistant");
      if (last < 1) return [];
      const turns = example.messages.slice(0, last);
      return [{ turns, text: lastText(turns), reference: example.messages[last]?.content ?? null }];
    }
  }
}

function lastText(turns: Turns): string {
  return typeof turns === "string" ? turns : (turns.at(-1)?.content ?? "");
}

/** A question as the model expects it: a conversation where it has a template, else the text itself. */
export function asTurns(
  text: string,
  { template }: TextTools,
  { system_prompt }: { system_prompt: string | null },
): Turns {
  if (!template) return text;
  const system: Message[] = system_prompt === null ? [] : [{ role: "system", content: system_prompt }];
  return [...system, { role: "user", content: text }];
}

/**
 * Token ids of a prompt, up to where the answer begins; `variables` are those of the chat template. Throws
 * `template-invalid` for a conversation without a template.
 */
export function promptIds(
  turns: Turns,
  { tokenizer, template }: TextTools,
  variables: TemplateVariables = {},
): Int32Array {
  if (typeof turns === "string") return Int32Array.from(tokenizer.encode(turns, { addSpecialTokens: true }));
  if (!template) {
    throw new AppError(
      "template-invalid",
      "This model has no chat template. Set chat_template to chatml, or use plain prompts.",
    );
  }
  const text = template.render(turns, { addGenerationPrompt: true, variables });
  return Int32Array.from(tokenizer.encode(text, { addSpecialTokens: false }));
}
