import type { ChatAnswer, ChatSide } from "../../protocol/chat.ts";
import type { Turn } from "../../store/chat.ts";
import { ErrorCard } from "../errors/error_card.tsx";
import { formatCount } from "../format.ts";

interface TurnProps {
  readonly turn: Turn;
  readonly sides: readonly ChatSide[];
  readonly answering: boolean;
  /** What the tuned side is called: it names the checkpoint. */
  readonly tuned: string;
}

/** One question with its answers side by side. */
export function TurnView({ turn, sides, answering, tuned }: TurnProps) {
  return (
    <section className="turn" aria-label={`Question: ${turn.question}`}>
      <h2 className="question">{turn.question}</h2>
      {turn.error && <ErrorCard failure={turn.error} compact />}
      {(!turn.error || Object.keys(turn.text).length > 0) && (
        <div className={sides.length > 1 ? "answers two" : "answers"}>
          {sides.map((side) => (
            <AnswerView
              key={side}
              title={side === "base" ? "Base" : tuned}
              text={turn.done[side]?.text ?? turn.text[side] ?? ""}
              answer={turn.done[side]}
              answering={answering}
            />
          ))}
        </div>
      )}
    </section>
  );
}

interface AnswerProps {
  readonly title: string;
  readonly text: string;
  readonly answer: ChatAnswer | undefined;
  readonly answering: boolean;
}

const ENDS: Readonly<Record<ChatAnswer["stopped"], string>> = {
  end: "",
  length: "cut at the length limit",
  cancelled: "cancelled",
};

function factsOf({ tokens, seconds, stopped }: ChatAnswer): string {
  const speed = seconds > 0 ? `${formatCount(tokens / seconds)} tok/s` : "";
  return [`${formatCount(tokens)} tokens`, speed, ENDS[stopped]].filter(Boolean).join(" · ");
}

function AnswerView({ title, text, answer, answering }: AnswerProps) {
  return (
    <article className="card answer-card" aria-busy={answering && !answer}>
      <header className="row wrap between">
        <h3>{title}</h3>
        {answer && (
          <span className={answer.adapter === "on" ? "pill accent" : "pill"}>Adapter {answer.adapter}</span>
        )}
      </header>
      <p className="answer-text">
        {text || (
          <span className="muted">
            {answering ? "Thinking…" : answer ? "(an empty answer)" : "(no answer)"}
          </span>
        )}
      </p>
      <p className="muted tiny">{answer ? factsOf(answer) : answering ? "Answering…" : ""}</p>
    </article>
  );
}
