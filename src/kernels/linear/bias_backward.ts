export function biasBackward(..._: unknown[]): void {
  throw new Error("not there yet");
}
