import type { Message, Row } from "./message.ts";

/** A text or a conversation. */
export type Turns = string | readonly Message[];

/** One row in the one form that training knows. `row` keeps every column as it was read, for rewards and the page. */
export type Example = { readonly row: Row; readonly rowIndex: number } & ExampleBody;

export type ExampleBody =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "messages"; readonly messages: readonly Message[] }
  | { readonly kind: "prompt_completion"; readonly prompt: Turns; readonly completion: Turns }
  | {
      readonly kind: "preference";
      /** Undefined when it is the common beginning of both answers. */
      readonly prompt: Turns | undefined;
      readonly chosen: Turns;
      readonly rejected: Turns;
    }
  | {
      readonly kind: "prompt";
      readonly prompt: Turns;
      /** The right answer for rewards to compare with; null when the row has none. */
      readonly reference: string | null;
    };
