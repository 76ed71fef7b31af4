import { AppError, refuseIfCancelled } from "./errors.ts";

/** Runs what it is given one after the other, in the order of the calls. A failure is its caller's alone. */
export function inTurn(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const mine = last.then(work);
    last = mine.catch(() => undefined);
    return mine;
  };
}

/**
 * Work that ends by itself when it is cancelled, and after so many milliseconds is no longer waited for: it may stand at an
 * answer that does not come. Throws `cancelled`.
 */
export async function unlessCancelled<T>(
  signal: AbortSignal,
  milliseconds: number,
  work: () => Promise<T>,
): Promise<T> {
  refuseIfCancelled(signal);
  let timer: ReturnType<typeof setTimeout> | undefined;
  let stop = () => {};
  const late = new Promise<never>((_, reject) => {
    stop = () => {
      timer = setTimeout(() => reject(new AppError("cancelled", "Cancelled.")), milliseconds);
    };
    signal.addEventListener("abort", stop);
  });
  try {
    return await Promise.race([work(), late]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
}
