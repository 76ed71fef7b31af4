export interface Progress {
  start(totalSteps: number, step: number): void;
  step(tokens: number): void;
  line(step: number, values: Readonly<Record<string, number>>): string;
}

/** Lines such as "step 12/64  loss 1.234  learning_rate 3.0e-4  812 tok/s  14 s left". */
export function createProgress(): Progress {
  let total = 0;
  let first = 0;
  let tokens = 0;
  let began = 0;
  return {
    start(totalSteps, step) {
      total = totalSteps;
      first = step;
      began = performance.now();
    },
    step(count) {
      tokens += count;
    },
    line(step, values) {
      const seconds = (performance.now() - began) / 1000;
      const done = step - first;
      const left = done >= 5 ? `  ${Math.ceil((seconds / done) * (total - step))} s left` : "";
      const numbers = ["loss", "eval_loss", "grad_norm", "learning_rate"].flatMap((name) => {
        const value = values[name];
        if (value === undefined) return [];
        return [`${name} ${name === "learning_rate" ? value.toExponential(1) : value.toPrecision(4)}`];
      });
      const line = `step ${step}/${total}  ${numbers.join("  ")}`;
      // An evaluation's time is not training's.
      return values["loss"] === undefined ? line : `${line}  ${Math.round(tokens / seconds)} tok/s${left}`;
    },
  };
}
