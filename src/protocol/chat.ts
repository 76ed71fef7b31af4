/** Questions to a model, with and without what a run has learned. */

export type ChatSide = "base" | "tuned";

export interface ChatRequest {
  readonly chatId: string;
  /** The run whose adapter the tuned side has; null answers with the base model alone. */
  readonly runId: string | null;
  readonly step: number | null;
  /** The model, when there is no run. */
  readonly model: string | null;
  /** Its branch, tag or commit; null is the main branch. A run has its own. */
  readonly revision: string | null;
  readonly messages: readonly { readonly role: "system" | "user" | "assistant"; readonly content: string }[];
  readonly sampling: {
    readonly temperature: number;
    readonly top_p: number;
    readonly top_k: number;
    readonly max_new_tokens: number;
    readonly seed: number;
  };
}

export interface ChatAnswer {
  readonly side: ChatSide;
  readonly text: string;
  readonly tokens: number;
  readonly seconds: number;
  /** Said by the engine: whether the adapter took part in these tokens. */
  readonly adapter: "on" | "off";
  readonly stopped: "end" | "length" | "cancelled";
}
