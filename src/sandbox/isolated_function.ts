import {
  type Limits,
  PROCESSING_LIMITS,
  REWARD_LIMITS,
  type RewardItem,
  type Scored,
  type TrainerState,
  type UserFunction,
  type UserSource,
} from "../host/user_code.ts";
import { AppError } from "../lib/errors.ts";
import { mergeColumns, mergeRow } from "./merge_rows.ts";
import type { Fault } from "./messages.ts";
import { type Launch, Place, type Value } from "./place.ts";
import { repairPython } from "./repair_python.ts";

/** Rows that are sent in one piece, and that the limits of a batch are for. */
const CHUNK = 1000;

type Row = Readonly<Record<string, unknown>>;
type ProcessOptions = NonNullable<Parameters<UserFunction["process"]>[1]>;

/**
 * Loads a person's function in a place where it can be killed. A call that takes too long costs that call alone.
 * Throws `user-code-invalid`, `user-code-failed`.
 */
export async function openIsolated(source: UserSource, launch: Launch): Promise<UserFunction> {
  const repaired = source.language === "python" ? repairPython(source.code) : undefined;
  const place = new Place({ ...source, code: repaired?.code ?? source.code }, launch);
  const style = await place.start();
  let calls = 0;
  // One request at a time: there is one place.
  let queue: Promise<unknown> = Promise.resolve();
  const enqueue = <T>(work: () => Promise<T>): Promise<T> => {
    const result = queue.then(work);
    queue = result.catch(() => {});
    return result;
  };
  const nextCall = () => calls++;
  return {
    ...{ style, repaired: repaired?.changed ?? [] },
    score: (items, limits = REWARD_LIMITS, state) =>
      enqueue(() => score({ place, style, nextCall }, items, limits, state)),
    process: (rows, options = {}) =>
      enqueue(() => processRows({ place, nextCall, title: source.title }, rows, options)),
    logs: () => place.takeLogs(),
    close: () => place.close(),
  };
}

interface Opened {
  readonly place: Place;
  readonly nextCall: () => number;
}

async function score(
  { place, style, nextCall }: Opened & { readonly style: UserFunction["style"] },
  items: readonly RewardItem[],
  limits: Limits,
  state: TrainerState | undefined,
): Promise<readonly Scored[]> {
  const results = new Array<Scored | undefined>(items.length).fill(undefined);
  /** The first word on an item stands. */
  const settle = (item: number, result: Scored) => {
    results[item] ??= result;
  };
  const failFrom = (first: number, fault: Fault) => {
    for (let item = first; item < items.length; item++) settle(item, failed(item, fault));
  };
  const perCall = style === "batch" ? limits.perBatch : limits.perCall;
  let left = limits.perBatch;
  let current = 0;
  for (let from = 0; from < items.length; from = current + 1) {
    current = from;
    const fault = await place.ensure();
    if (fault) {
      failFrom(from, fault);
      break;
    }
    const began = performance.now();
    const outcome = await place.ask(
      { type: "score", call: nextCall(), items, from, state: state ?? null },
      { ...limits, perCall },
      {
        begin: (item) => {
          current = item;
        },
        value: (item, value) => settle(item, { value: scoreOf(value) }),
        fault: (item, found) => settle(item, failed(item, found)),
      },
      left,
    );
    // Starting again is not the function's time.
    left -= performance.now() - began;
    if (outcome === undefined || style === "batch" || left <= 0 || place.closed) {
      failFrom(0, outcome ?? NO_RESULT);
      break;
    }
    settle(current, failed(current, outcome));
  }
  return results.map((result, item) => result ?? failed(item, NO_RESULT));
}

const NO_RESULT: Fault = { kind: "crashed", message: "gave no result" };

const failed = (item: number, fault: Fault): Scored => ({ value: null, error: { ...fault, item } });

const scoreOf = (value: Value): number | null =>
  typeof value === "number" && Number.isFinite(value) ? value : null;

async function processRows(
  opened: Opened & { readonly title: string },
  rows: readonly Row[],
  options: ProcessOptions,
): Promise<readonly Row[]> {
  const { batched = false } = options;
  const done: Row[] = [];
  for (let first = 0; first < rows.length; first += CHUNK) {
    const chunk = rows.slice(first, first + CHUNK);
    const error = (fault: Fault, item: number) => rowError(opened.title, fault, first + item, batched);
    const texts = await processChunk(opened, chunk, options, error);
    const merged = batched
      ? mergeColumns(chunk, texts[0], (fault) => error(fault, 0))
      : chunk.map((row, index) => mergeRow(row, texts[index], (fault) => error(fault, index)));
    for (const row of merged) done.push(row);
  }
  return done;
}

/** What the function returned for each row (for all of them as one when batched), as JSON text. */
async function processChunk(
  { place, nextCall }: Opened,
  rows: readonly Row[],
  { kwargs = {}, batched = false, limits = PROCESSING_LIMITS }: ProcessOptions,
  error: (fault: Fault, item: number) => AppError,
): Promise<readonly (string | undefined)[]> {
  const broken = await place.ensure();
  if (broken) throw error(broken, 0);
  const texts: string[] = [];
  const found: { item: number; fault: Fault }[] = [];
  let current = 0;
  const outcome = await place.ask(
    { type: "process", call: nextCall(), rows, kwargs, batched },
    { ...limits, perCall: batched ? limits.perBatch : limits.perCall },
    {
      begin: (item) => {
        current = item;
      },
      value: (item, value) => {
        texts[item] = String(value);
      },
      fault: (item, fault) => found.push({ item, fault }),
    },
  );
  const [first] = found;
  if (first) throw error(first.fault, first.item);
  if (outcome) throw error(outcome, current);
  return texts;
}

function rowError(title: string, fault: Fault, row: number, batched: boolean): AppError {
  const line = fault.line === undefined ? "" : `, line ${fault.line}`;
  const where = batched ? `the rows from ${row + 1} on` : `row ${row + 1}`;
  return new AppError("user-code-failed", `${title}${line}: ${fault.message}. It was given ${where}.`, {
    details: {
      ...{ title, row, kind: fault.kind, reason: fault.message },
      ...(fault.line !== undefined && { line: fault.line }),
    },
  });
}
