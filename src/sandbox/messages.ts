import type { RewardItem, TrainerState, UserError } from "../host/user_code.ts";

/** What passes between the host and the place where a person's code runs. All of it is JSON. */

export type ToRunner =
  /** Python only: JavaScript is part of the program that is started. */
  | { readonly type: "load"; readonly code: string; readonly title: string; readonly name: string | null }
  | {
      readonly type: "score";
      readonly call: number;
      readonly items: readonly RewardItem[];
      /** Items before this one have their results already. */
      readonly from: number;
      readonly state: TrainerState | null;
    }
  | {
      readonly type: "process";
      readonly call: number;
      readonly rows: readonly Readonly<Record<string, unknown>>[];
      readonly kwargs: Readonly<Record<string, unknown>>;
      readonly batched: boolean;
    };

export type Fault = Pick<UserError, "kind" | "message" | "line">;

export type FromRunner =
  /** The place is ready; the person's code runs from here on. */
  | { readonly type: "alive" }
  | { readonly type: "ready"; readonly style: "per-completion" | "batch" }
  | { readonly type: "invalid"; readonly message: string; readonly line?: number | undefined }
  /** The call for this item begins now; a batch function has one, with item 0. */
  | { readonly type: "begin"; readonly call: number; readonly item: number }
  /** A completion's score, or a row's new columns (all rows' with `batched`) as JSON text. */
  | {
      readonly type: "value";
      readonly call: number;
      readonly item: number;
      readonly value: number | string | null;
    }
  | { readonly type: "fault"; readonly call: number; readonly item: number; readonly fault: Fault }
  | { readonly type: "done"; readonly call: number }
  | { readonly type: "log"; readonly text: string }
  /** The place is broken and has to be started again. */
  | { readonly type: "broken"; readonly message: string };

/** A loaded function, whatever its language. Faults are returned, never thrown. */
export interface Program {
  readonly style: "per-completion" | "batch";
  /** Called once before the items of a batch. */
  take(items: readonly RewardItem[], state: TrainerState | null): void;
  scoreOne(item: number): Result | Promise<Result>;
  /** As many results as items. */
  scoreAll(): readonly Result[] | Promise<readonly Result[]>;
  /** The columns that the function returned, as JSON text. */
  processOne(
    row: Readonly<Record<string, unknown>>,
    kwargs: Readonly<Record<string, unknown>>,
  ): Result<string> | Promise<Result<string>>;
  /** The same for rows as columns of lists. */
  processAll(
    rows: readonly Readonly<Record<string, unknown>>[],
    kwargs: Readonly<Record<string, unknown>>,
  ): Result<string> | Promise<Result<string>>;
}

export type Result<T = number | null> = { readonly value: T } | { readonly fault: Fault };
