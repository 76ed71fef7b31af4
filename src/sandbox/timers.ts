/** Milliseconds in which an answer that was given in time may still arrive: this side may have been the busy one. */
const GRACE = 30;

/** Two timers that look twice: at the limit, and after what was already on its way has arrived. */
export class Timers {
  readonly #timers = new Map<"call" | "batch", ReturnType<typeof setTimeout>>();

  set(name: "call" | "batch", limit: number, late: () => void): void {
    this.drop(name);
    const look = () => this.#timers.set(name, setTimeout(late, GRACE));
    this.#timers.set(name, setTimeout(look, Math.max(0, limit)));
  }

  drop(name: "call" | "batch"): void {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }

  clear(): void {
    this.drop("call");
    this.drop("batch");
  }
}
