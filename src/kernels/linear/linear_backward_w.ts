export function linearBackwardW(..._: unknown[]): void {
  throw new Error("not there yet");
}
