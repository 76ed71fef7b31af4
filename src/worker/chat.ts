import { promptIds } from "../api/sampler.ts";
import type { TemplateVariables } from "../data/encode_turns.ts";
import { openModelFolder } from "../formats/model_folder.ts";
import { type Gpu, openGpu } from "../gpu/device.ts";
import { profileFor } from "../kernels/profile.ts";
import { AppError } from "../lib/errors.ts";
import { loadFrozen } from "../model/loaded_model.ts";
import { readModelSpec } from "../model/registry.ts";
import type { ChatAnswer, ChatRequest, ChatSide } from "../protocol/chat.ts";
import { Generator } from "../rollout/generator.ts";
import { loadTextTools, type TextTools } from "../trainer/prepare_data.ts";
import { templateVariables } from "../trainer/template_use.ts";
import type { WorkerContext } from "./context.ts";
import { fetchForChat } from "./downloads.ts";
import type { Runs } from "./runs.ts";
import type { Session } from "./session.ts";

/** Prompt and answer together: what a chat may hold. */
const CHAT_LENGTH = 1024;

interface Talker {
  /** What it was made for, to know when it can be used again. */
  readonly subject: Session | string;
  readonly generator: Generator;
  readonly tools: TextTools;
  /** Of the chat template, as the run had them. */
  readonly variables?: TemplateVariables | undefined;
  readonly hasAdapter: boolean;
  readonly maxLength: number;
  /** Only when the talker has a device of its own. */
  readonly gpu: Gpu | undefined;
}

/**
 * Answers of the base and the tuned model, side by side. Both come from one generator over the same weights: the base side
 * runs programs that were recorded without the adapter, and says so itself.
 */
export class Chat {
  readonly #context: WorkerContext;
  readonly #runs: Runs;
  readonly #cancels = new Map<string, AbortController>();
  #talker: Talker | undefined;

  constructor(context: WorkerContext, runs: Runs) {
    this.#context = context;
    this.#runs = runs;
  }

  async ask(request: ChatRequest): Promise<{ answers: readonly ChatAnswer[] }> {
    const { generator, tools, variables, hasAdapter, maxLength } = await this.#talkerFor(request);
    const ids = promptIds(request.messages, tools, variables);
    const { max_new_tokens, ...sampling } = request.sampling;
    const room = maxLength - ids.length;
    if (room < 1) {
      throw new AppError(
        "config-invalid",
        `This conversation is ${ids.length} tokens long; there is room for ${maxLength}. Start a new one.`,
      );
    }
    const cancel = new AbortController();
    this.#cancels.set(request.chatId, cancel);
    const sides: readonly ChatSide[] = hasAdapter ? ["base", "tuned"] : ["base"];
    const answers: ChatAnswer[] = [];
    try {
      for (const side of sides) {
        const began = this.#context.host.now();
        const so: number[] = [];
        const [completion] = await generator.generate({
          prompts: [ids],
          maxNewTokens: Math.min(max_new_tokens, room),
          sampling: { ...sampling, min_p: 0, repetition_penalty: 1 },
          stopIds: tools.tokenizer.stopIds,
          base: side === "base",
          signal: cancel.signal,
          onTokens: (_, tokens) => {
            so.push(...tokens);
            const text = tools.tokenizer.decode(so, { skipSpecialTokens: true });
            this.#context.emit({ type: "answer", chatId: request.chatId, side, text });
          },
        });
        if (!completion) throw new Error("no completion");
        answers.push({
          side,
          text: tools.tokenizer.decode(completion.ids, { skipSpecialTokens: true }),
          tokens: completion.ids.length,
          seconds: (this.#context.host.now() - began) / 1000,
          adapter: side === "base" ? "off" : "on",
          stopped: completion.stopped,
        });
      }
    } finally {
      this.#cancels.delete(request.chatId);
    }
    return { answers };
  }

  cancel(chatId: string): void {
    this.#cancels.get(chatId)?.abort();
  }

  async #talkerFor(request: ChatRequest): Promise<Talker> {
    if (request.runId === null) return this.#baseTalker(request.model ?? "aligntune-tiny", request.revision);
    const session = await this.#runs.open(request.runId, request.step);
    if (session.isBusy)
      throw new AppError("config-invalid", `${session.name} is training. Pause it to chat with it.`);
    if (this.#talker?.subject === session) return this.#talker;
    this.#drop();
    const { engine, gpu, spec, tools } = session.trainer;
    const maxLength = Math.min(spec.maxPositions, CHAT_LENGTH);
    const generator = await Generator.create(gpu, {
      ...{ spec, weights: engine.weights, adapter: engine.adapter, profile: engine.profile },
      ...{ arena: engine.arena, withBase: true, maxSequences: 1, maxPromptTokens: maxLength, maxLength },
    });
    const hasAdapter = engine.adapter !== undefined;
    const { templateVariables: variables } = templateVariables(session.options.config);
    this.#talker = { subject: session, generator, tools, variables, hasAdapter, maxLength, gpu: undefined };
    return this.#talker;
  }

  async #baseTalker(name: string, revision: string | null): Promise<Talker> {
    const subject = JSON.stringify([name, revision]);
    if (this.#talker?.subject === subject) return this.#talker;
    this.#drop();
    await this.#runs.release();
    const { host, downloads } = this.#context;
    // Before the device is opened, as for a run.
    for (const note of await fetchForChat(host, downloads, name, revision)) host.log("warn", note);
    const model = await openModelFolder(await host.openModel(name, revision));
    const spec = readModelSpec(model.config);
    const tools = await loadTextTools(model.folder, { chat_template: null });
    const gpu = await openGpu();
    const { weights } = await loadFrozen(gpu, { model, spec, baseFormat: "stored", adapter: undefined });
    const maxLength = Math.min(spec.maxPositions, CHAT_LENGTH);
    const generator = await Generator.create(gpu, {
      ...{ spec, weights, adapter: undefined, profile: profileFor(gpu.capabilities) },
      ...{ maxSequences: 1, maxPromptTokens: maxLength, maxLength },
    });
    this.#talker = { subject, generator, tools, hasAdapter: false, maxLength, gpu };
    return this.#talker;
  }

  #drop(): void {
    this.#talker?.gpu?.close();
    this.#talker = undefined;
  }
}
