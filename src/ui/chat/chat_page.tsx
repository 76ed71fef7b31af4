import { type FormEvent, type KeyboardEvent, useEffect, useRef, useState } from "react";
import { Link } from "wouter";
import { navigate } from "wouter/use-hash-location";
import type { ChatSide } from "../../protocol/chat.ts";
import { useApp } from "../../store/app.ts";
import { ask, askAgain, cancelChat, clearChat, openChat, setChat, useChat } from "../../store/chat.ts";
import { shown } from "../../store/failure.ts";
import { loadRun } from "../../store/run_actions.ts";
import { nameOf, type RunView, stepOf, useRuns } from "../../store/runs.ts";
import { useMedia } from "../parts/hooks.ts";
import { Segmented } from "../parts/segmented.tsx";
import { SamplingPanel } from "./sampling.tsx";
import { TurnView } from "./turn.tsx";
import "../styles/chat.css";

/** The base model beside the tuned one: same words, same seed. */
export function ChatPage({ id }: { id: string | null }) {
  const newest = useRuns(({ order, runs }) => order.find((run) => canChat(runs[run])));
  const listed = useRuns((state) => state.listed);
  const runId = id ?? newest ?? null;
  useEffect(() => {
    if (id === null && !listed) return;
    openChat(runId);
    if (runId !== null) void loadRun(runId);
  }, [runId, id, listed]);
  const run = useRuns((state) => (runId === null ? undefined : state.runs[runId]));
  const model = useApp((state) => shown(state.catalog)?.models[0]?.id ?? null);
  return (
    <div className="page chat">
      <ChatHead run={run} />
      <Conversation run={run} />
      <Composer run={run} model={run ? null : model} />
    </div>
  );
}

const canChat = (run: RunView | undefined): boolean =>
  run !== undefined && stepOf(run) > 0 && run.status.state !== "preparing";

function ChatHead({ run }: { run: RunView | undefined }) {
  const order = useRuns((state) => state.order);
  const runs = useRuns((state) => state.runs);
  const step = useChat((state) => state.step);
  const choices = order.flatMap((id) => {
    const item = runs[id];
    return item && (canChat(item) || id === run?.id) ? [item] : [];
  });
  return (
    <div className="chat-head">
      <h1 className="page-title">{run ? `Base and ${nameOf(run)}` : "Base model"}</h1>
      {choices.length > 0 && (
        <label className="row small">
          <span className="muted">Run</span>
          <select
            className="select step-select"
            value={run?.id ?? ""}
            onChange={(event) => navigate(`/chat/${event.target.value}`)}
          >
            {choices.map((item) => (
              <option key={item.id} value={item.id}>
                {nameOf(item)}
              </option>
            ))}
          </select>
        </label>
      )}
      {run && run.checkpoints.length > 0 && (
        <label className="row small">
          <span className="muted">Checkpoint</span>
          <select
            className="select step-select"
            value={step ?? ""}
            onChange={(event) =>
              setChat({ step: event.target.value === "" ? null : Number(event.target.value) })
            }
          >
            <option value="">Latest</option>
            {run.checkpoints.map((checkpoint) => (
              <option key={checkpoint.step} value={checkpoint.step}>
                Step {checkpoint.step}
                {checkpoint.best ? " (best)" : ""}
              </option>
            ))}
          </select>
        </label>
      )}
      <SamplingPanel />
    </div>
  );
}

function Conversation({ run }: { run: RunView | undefined }) {
  const turns = useChat((state) => state.turns);
  const step = useChat((state) => state.step);
  const answering = useChat((state) => state.chatId !== null);
  const narrow = useMedia("(max-width: 767px)");
  const [side, setSide] = useState<ChatSide>("tuned");
  const end = useRef<HTMLDivElement>(null);
  const count = turns.length;
  useEffect(() => {
    if (count > 0) end.current?.scrollIntoView({ block: "nearest" });
  }, [count]);
  const both: readonly ChatSide[] = run ? ["base", "tuned"] : ["base"];
  const sides = narrow && run ? [side] : both;
  return (
    <div className="conversation">
      {narrow && run && (
        <Segmented
          label="Whose answers"
          value={side}
          onChange={setSide}
          options={[
            { value: "base", label: "Base" },
            { value: "tuned", label: "Tuned" },
          ]}
        />
      )}
      {turns.length === 0 && <Suggestions run={run} />}
      {turns.map((turn, i) => (
        <TurnView
          // biome-ignore lint/suspicious/noArrayIndexKey: turns are only added.
          key={i}
          turn={turn}
          sides={sides}
          answering={answering && i === turns.length - 1}
          tuned={step === null ? "Tuned" : `Tuned, step ${step}`}
        />
      ))}
      <div ref={end} />
    </div>
  );
}

const MOST_SUGGESTIONS = 4;
const PLAIN_QUESTIONS = ["What is 3 plus 4?", "Which food does Tom like?"];

function Suggestions({ run }: { run: RunView | undefined }) {
  const model = useApp((state) => shown(state.catalog)?.models[0]?.id ?? null);
  const sampled = run?.samples.at(-1)?.samples.map(({ prompt }) => prompt) ?? [];
  const prompts = [...new Set(sampled.length > 0 ? sampled : PLAIN_QUESTIONS)].slice(0, MOST_SUGGESTIONS);
  return (
    <div className="card suggestions">
      <h2>{run ? "Ask both models the same" : "Ask the base model"}</h2>
      <p className="muted prose">
        {run
          ? "Both answer the same question with the same seed and settings. Each question stands alone, so that the two can be compared."
          : "No run has been trained yet: this is the model as it comes. Train the demo to see a second answer beside it."}
      </p>
      <div className="row wrap">
        {prompts.map((prompt) => (
          <button
            key={prompt}
            type="button"
            className="button"
            onClick={() => void ask(prompt, run ? null : model)}
          >
            {prompt}
          </button>
        ))}
      </div>
      {!run && (
        <p>
          <Link href="/">Go to the demo</Link>
        </p>
      )}
    </div>
  );
}

function Composer({ run, model }: { run: RunView | undefined; model: string | null }) {
  const answering = useChat((state) => state.chatId !== null);
  const turns = useChat((state) => state.turns.length);
  const [text, setText] = useState("");
  const question = text.trim();
  const target = run ? null : model;
  const send = (event?: FormEvent) => {
    event?.preventDefault();
    if (question === "" || answering) return;
    setText("");
    void ask(question, target);
  };
  const onKey = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };
  return (
    <form className="composer" onSubmit={send}>
      <label htmlFor="question" className="hidden">
        Your question
      </label>
      <textarea
        id="question"
        className="textarea"
        rows={2}
        placeholder={run ? "Ask both models…" : "Ask the base model…"}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKey}
      />
      <div className="composer-buttons">
        {answering ? (
          <button type="button" className="button" onClick={cancelChat}>
            Cancel
          </button>
        ) : (
          <button type="submit" className="button primary" disabled={question === ""}>
            {question === "" ? "Type a question" : run ? "Ask both" : "Ask"}
          </button>
        )}
        {turns > 0 && !answering && (
          <>
            <button type="button" className="button quiet" onClick={() => void askAgain(target)}>
              {run ? "Regenerate both" : "Regenerate"}
            </button>
            <button type="button" className="button quiet" onClick={clearChat}>
              Clear
            </button>
          </>
        )}
      </div>
    </form>
  );
}
