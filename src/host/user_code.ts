/** How code that a person wrote is run: loaded somewhere it can be killed, called with data, and only data comes back. */

export type Language = "javascript" | "typescript" | "python";

export interface UserSource {
  readonly code: string;
  readonly language: Language;
  /** The function to call; the only one, or the last, when absent. */
  readonly name?: string | undefined;
  readonly purpose: "reward" | "processing";
  /** What errors call it: `my_reward`, `rewards.py#short`. */
  readonly title: string;
}

/** One completion, as a reward function may ask for it. All of it survives structured clone and JSON. */
export interface RewardItem {
  /** The prompt as text, or as messages where the data has a conversation. */
  readonly prompt: unknown;
  /** The completion as text, without special tokens. */
  readonly completion: string;
  readonly completionIds: readonly number[];
  /** The mapped reference answer; null when the row has none. */
  readonly reference: string | null;
  /** Every column of the row, as it was read. */
  readonly row: Readonly<Record<string, unknown>>;
}

/** What became of one completion. `value` null: not applicable, or the call failed and `error` says how. */
export interface Scored {
  readonly value: number | null;
  readonly error?: UserError | undefined;
}

export interface UserError {
  readonly kind: "threw" | "too-slow" | "not-a-number" | "wrong-shape" | "crashed";
  /** For people: "TypeError: x is undefined", "ran longer than 1 s and was stopped". */
  readonly message: string;
  /** Line of the person's source, from 1. */
  readonly line?: number | undefined;
  /** Which item of the batch, from 0. */
  readonly item?: number | undefined;
}

export interface Limits {
  /** Milliseconds that one call may take before it is killed. */
  readonly perCall: number;
  /** Milliseconds for the whole batch. */
  readonly perBatch: number;
}

/** Ten seconds a batch, one a call; a batch function has the whole batch's time for its one call. */
export const REWARD_LIMITS: Limits = { perCall: 1_000, perBatch: 10_000 };

/** A thousand rows have ten seconds, in which one row may take all. */
export const PROCESSING_LIMITS: Limits = { perCall: 10_000, perBatch: 10_000 };

/** Where the run stands, as TRL's `trainer_state` says it. */
export interface TrainerState {
  readonly global_step: number;
  readonly max_steps: number;
  readonly epoch: number;
}

export interface UserFunction {
  /** Whether it scores one completion a call, or the whole batch in one, as TRL's do. Known after loading. */
  readonly style: "per-completion" | "batch";
  /** As many results as items, in order. Never rejects for what the person's code does: that is in the results. */
  score(
    items: readonly RewardItem[],
    limits?: Limits,
    /** What functions in TRL's form are given as `trainer_state`; null (None) when absent. */
    state?: TrainerState,
  ): Promise<readonly Scored[]>;
  /**
   * Rows through a processing function, in order, with `kwargs` beside each; `batched` passes columns of lists. What it
   * returns is laid over the row, as datasets.map does. Throws `user-code-failed` naming line and row, with `line` (of the
   * code, from 1) and `row` (of `rows`, from 0) in its details.
   */
  process(
    rows: readonly Readonly<Record<string, unknown>>[],
    options?: {
      readonly kwargs?: Readonly<Record<string, unknown>>;
      readonly batched?: boolean;
      readonly limits?: Limits;
    },
  ): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** What had to be changed of the code before it could be loaded, for people: indentation that a document had lost. */
  readonly repaired: readonly string[];
  /** What the code printed since it was last asked, newest last, cut to a bound. */
  logs(): readonly string[];
  close(): void;
}

export interface UserCode {
  /** Compiles and loads. Throws `user-code-invalid` for code that does not parse or has no such function, with its line. */
  open(source: UserSource): Promise<UserFunction>;
}
