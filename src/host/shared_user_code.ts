import type { UserCode, UserFunction, UserSource } from "./user_code.ts";

interface Shared {
  readonly fn: Promise<UserFunction>;
  users: number;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/**
 * Keeps a loaded processing function for a while after its last use: the page reads the same data many times while a run is
 * set up, and Python takes seconds to start. Functions of other purposes are loaded for each caller.
 */
export function shareProcessing(userCode: UserCode, idleMs = 60_000): UserCode {
  const opened = new Map<string, Shared>();

  const end = (key: string, shared: Shared) => {
    if (opened.get(key) === shared) opened.delete(key);
    shared.fn.then(
      (fn) => fn.close(),
      () => {},
    );
  };

  const take = (key: string, source: UserSource): Shared => {
    const known = opened.get(key);
    if (known) return known;
    const shared: Shared = { fn: userCode.open(source), users: 0, timer: undefined };
    opened.set(key, shared);
    // Code that could not be loaded is tried again: the reason may be gone.
    shared.fn.catch(() => opened.delete(key));
    return shared;
  };

  return {
    open: async (source) => {
      if (source.purpose !== "processing") return userCode.open(source);
      const key = JSON.stringify([source.language, source.name, source.title, source.code]);
      const shared = take(key, source);
      shared.users += 1;
      clearTimeout(shared.timer);
      const fn = await shared.fn;
      let isOpen = true;
      return {
        style: fn.style,
        repaired: fn.repaired,
        score: fn.score,
        process: fn.process,
        logs: fn.logs,
        close: () => {
          if (!isOpen) return;
          isOpen = false;
          shared.users -= 1;
          if (shared.users === 0) shared.timer = setTimeout(() => end(key, shared), idleMs);
        },
      };
    },
  };
}
