/** One turn of a conversation. Keys other than role and content (tool_calls, reasoning_content) reach the chat template as they are. */
export interface Message {
  readonly role: string;
  readonly content: string;
  readonly [extra: string]: unknown;
}

/** One row of a dataset file as it was read: every column, nothing renamed. */
export type Row = Readonly<Record<string, unknown>>;

/** Half-open range of UTF-16 positions in a text. */
export interface Span {
  readonly start: number;
  readonly end: number;
}
