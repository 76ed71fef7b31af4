import { create } from "zustand";
import type { ChatAnswer, ChatRequest, ChatSide } from "../protocol/chat.ts";
import type { WorkerEvent } from "../protocol/messages.ts";
import { noteError } from "./app.ts";
import { request } from "./client.ts";
import type { Failure } from "./failure.ts";

export type Sampling = ChatRequest["sampling"];

/** One question and its answers. While an answer is written there is text and no `done`. */
export interface Turn {
  readonly question: string;
  readonly text: Readonly<Partial<Record<ChatSide, string>>>;
  readonly done: Readonly<Partial<Record<ChatSide, ChatAnswer>>>;
  readonly error: Failure | null;
}

export interface ChatState {
  readonly runId: string | null;
  readonly step: number | null;
  readonly system: string;
  readonly sampling: Sampling;
  readonly turns: readonly Turn[];
  /** The request that is being answered. */
  readonly chatId: string | null;
}

export const DEFAULT_SAMPLING: Sampling = {
  temperature: 0,
  top_p: 1,
  top_k: 0,
  max_new_tokens: 80,
  seed: 42,
};

export const useChat = create<ChatState>(() => ({
  runId: null,
  step: null,
  system: "",
  sampling: DEFAULT_SAMPLING,
  turns: [],
  chatId: null,
}));

const patchLast = (turns: readonly Turn[], change: (turn: Turn) => Partial<Turn>): readonly Turn[] =>
  turns.map((turn, i) => (i === turns.length - 1 ? { ...turn, ...change(turn) } : turn));

/** The text of an answer so far, when it belongs to the question that is open. Pure. */
export function reduceChat(state: ChatState, event: WorkerEvent): ChatState {
  if (event.type !== "answer" || event.chatId !== state.chatId) return state;
  return {
    ...state,
    turns: patchLast(state.turns, ({ text }) => ({ text: { ...text, [event.side]: event.text } })),
  };
}

/** A fresh conversation with a run, or with a base model alone. */
export function openChat(runId: string | null): void {
  if (useChat.getState().runId === runId) return;
  cancelChat();
  useChat.setState({ runId, step: null, turns: [], chatId: null });
}

export const setChat = (change: Partial<Pick<ChatState, "step" | "system" | "sampling">>): void =>
  useChat.setState(change);

export const clearChat = (): void => {
  cancelChat();
  useChat.setState({ turns: [], chatId: null });
};

/**
 * Asks both sides the same. Each question stands alone: the two sides would otherwise go on from different answers and could
 * not be compared.
 */
export async function ask(question: string, model: string | null): Promise<void> {
  const { runId, step, system, sampling, turns } = useChat.getState();
  const chatId = crypto.randomUUID();
  useChat.setState({ chatId, turns: [...turns, { question, text: {}, done: {}, error: null }] });
  const messages: ChatRequest["messages"] = [
    ...(system.trim() ? [{ role: "system" as const, content: system.trim() }] : []),
    { role: "user", content: question },
  ];
  try {
    const { answers } = await request("chat", {
      chatId,
      runId,
      step,
      model,
      revision: null,
      messages,
      sampling,
    });
    settle(chatId, () => ({ done: Object.fromEntries(answers.map((answer) => [answer.side, answer])) }));
  } catch (error) {
    const failure = noteError(error);
    settle(chatId, () => (failure.code === "cancelled" ? {} : { error: failure }));
  }
}

function settle(chatId: string, change: (turn: Turn) => Partial<Turn>): void {
  const state = useChat.getState();
  if (state.chatId !== chatId) return;
  useChat.setState({ chatId: null, turns: patchLast(state.turns, change) });
}

/** Asks the last question again, on both sides. */
export async function askAgain(model: string | null): Promise<void> {
  const { turns } = useChat.getState();
  const last = turns.at(-1);
  if (!last) return;
  useChat.setState({ turns: turns.slice(0, -1) });
  await ask(last.question, model);
}

export function cancelChat(): void {
  const { chatId } = useChat.getState();
  if (chatId !== null) request("cancelChat", { chatId }).catch(noteError);
}
