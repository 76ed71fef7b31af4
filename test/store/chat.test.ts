import { describe, expect, it } from "vitest";
import { type ChatState, DEFAULT_SAMPLING, reduceChat } from "../../src/store/chat.ts";

const open: ChatState = {
  runId: "a",
  step: null,
  system: "",
  sampling: DEFAULT_SAMPLING,
  turns: [{ question: "Who?", text: {}, done: {}, error: null }],
  chatId: "one",
};

describe("reduceChat", () => {
  it("puts the text of each side into the question that is open", () => {
    const state = reduceChat(open, { type: "answer", chatId: "one", side: "tuned", text: "Ahoy" });
    expect(state.turns[0]?.text).toEqual({ tuned: "Ahoy" });
  });

  it("passes over a text of an earlier question", () => {
    expect(reduceChat(open, { type: "answer", chatId: "zero", side: "base", text: "Late" })).toBe(open);
  });
});
