/** Steps before a time left is said: the first ones also compile and warm up. */
const STEPS_FOR_RATE = 5;

/** How fast a session trains, from its own steps alone: a resumed run does not claim the time it was away. */
export class Pace {
  readonly #now: () => number;
  readonly #began: number;
  readonly #firstStep: number;
  #tokens = 0;

  /** `now` in milliseconds; `step` is the one that training begins at. */
  constructor(now: () => number, step: number) {
    this.#now = now;
    this.#began = now();
    this.#firstStep = step;
  }

  add(tokens: number): void {
    this.#tokens += tokens;
  }

  /** For a row of metrics; nothing before there are tokens to count. */
  rate(): { tokens_per_second: number } | undefined {
    const seconds = this.#seconds();
    return seconds > 0 && this.#tokens > 0 ? { tokens_per_second: this.#tokens / seconds } : undefined;
  }

  /** Speed and time left, null before enough steps are done to tell. */
  at(step: number, totalSteps: number): { tokensPerSecond: number | null; secondsLeft: number | null } {
    const seconds = this.#seconds();
    const steps = step - this.#firstStep;
    if (steps < STEPS_FOR_RATE) return { tokensPerSecond: null, secondsLeft: null };
    return {
      tokensPerSecond: this.#tokens / seconds,
      secondsLeft: (seconds / steps) * (totalSteps - step),
    };
  }

  #seconds(): number {
    return (this.#now() - this.#began) / 1000;
  }
}
