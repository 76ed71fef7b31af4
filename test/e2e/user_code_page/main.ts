import { createBrowserUserCode } from "../../../src/host/browser_user_code.ts";
import type { Limits, RewardItem, UserFunction, UserSource } from "../../../src/host/user_code.ts";
import { openSandboxPort } from "../../../src/store/sandbox.ts";

/** What the test calls in this page: the app's own modules, with functions by their number. */
export interface UserCodePage {
  open(source: UserSource): Promise<{ fn: number; style: string } | { code: string; message: string }>;
  score(fn: number, items: readonly RewardItem[], limits?: Limits): ReturnType<UserFunction["score"]>;
  process(fn: number, rows: readonly Record<string, unknown>[]): ReturnType<UserFunction["process"]>;
  logs(fn: number): readonly string[];
}

// This page lies three folders deep in its build.
const base = new URL("../../../", location.href);
const userCode = createBrowserUserCode({ openPort: openSandboxPort, base });
const functions: UserFunction[] = [];
const of = (fn: number): UserFunction => functions[fn] as UserFunction;

const page: UserCodePage = {
  open: async (source) => {
    try {
      const fn = await userCode.open(source);
      return { fn: functions.push(fn) - 1, style: fn.style };
    } catch (error) {
      const { code, message } = error as Error & { code: string };
      return { code, message };
    }
  },
  score: (fn, items, limits) => of(fn).score(items, limits),
  process: (fn, rows) => of(fn).process(rows),
  logs: (fn) => of(fn).logs(),
};
Object.assign(globalThis, { userCodePage: page });
