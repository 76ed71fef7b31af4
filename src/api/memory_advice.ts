import type { RunConfig } from "../config/fields.ts";
import type { Capabilities } from "../gpu/capabilities.ts";
import type { Host } from "../host/host.ts";
import { AppError } from "../lib/errors.ts";
import { type ChangeLadder, changesFor, type SettingsChange } from "./memory_changes.ts";
import { budgetOf } from "./memory_choice.ts";
import { isOutOfMemory, type PlannedRun, planWays } from "./plan_run.ts";
import { type PreparedRun, prepareRun } from "./prepare_run.ts";
import { lengthOf, limitOf } from "./row_lengths.ts";

/** A change of settings that makes a run smaller. */
export interface MemoryAdvice {
  /** Empty where a person has to choose: another model. */
  readonly change: SettingsChange;
  readonly label: string;
  /** What it costs. */
  readonly harm: string;
  /** What the run would take then; null where that is not known. */
  readonly bytes: number | null;
  /** Whether that is within the bound; null where none is known. */
  readonly fits: boolean | null;
}

export interface AdviceOptions {
  readonly host: Host;
  readonly capabilities: Capabilities;
  /** The configuration with these settings on top; undefined when its rules refuse that. */
  readonly configWith: (change: SettingsChange) => Promise<RunConfig | undefined>;
}

/** Rows whose tokens are counted; more would take long. */
const MEASURED = 2000;

/**
 * How to make a run smaller, the least harm first, each with what the run would take then. Changes that would not help are left
 * out. Throws what the configuration or its files can be refused for, but never for memory.
 */
export async function adviseMemory(options: AdviceOptions): Promise<readonly MemoryAdvice[]> {
  const host = remembering(options.host);
  const config = await options.configWith({});
  if (!config) throw new AppError("config-invalid", "The settings have to be corrected first.");
  const budget = budgetOf(config);
  const now = (await planned(host, config, options))?.total;
  // A run that is within its bound was refused by the device, which does not say what it has.
  const limit = now !== undefined && budget !== undefined && now <= budget ? undefined : budget;
  const advice: MemoryAdvice[] = [];
  for (const ladder of changesFor(config)) {
    const found = await climb(host, ladder, now, limit, options);
    if (found) advice.push(found);
  }
  return [
    ...advice,
    ...(await severalAtOnce(host, advice, limit, options)),
    {
      change: {},
      label: "Choose a smaller model",
      harm: "Everything else stays as it is.",
      bytes: null,
      fits: null,
    },
  ];
}

/** The first rung that is within the bound, or else the last that helps; one rung where no bound is known. */
async function climb(
  host: Host,
  { rungs, label, harm, cuts }: ChangeLadder,
  now: number | undefined,
  limit: number | undefined,
  options: AdviceOptions,
): Promise<MemoryAdvice | undefined> {
  let best: MemoryAdvice | undefined;
  for (const change of rungs) {
    const config = await options.configWith(change);
    const plan = config && (await planned(host, config, options));
    if (!config || !plan || plan.total >= (best?.bytes ?? now ?? Number.POSITIVE_INFINITY)) continue;
    const fits = limit === undefined ? null : plan.total <= limit;
    const cost = cuts ? cutRows(plan.prepared, config) : undefined;
    best = { change, label: label(change), harm: cost ?? harm(change), bytes: plan.total, fits };
    if (fits !== false) break;
  }
  return best;
}

/** The fewest of these, from the first on, that are enough together where none is enough alone. */
async function severalAtOnce(
  host: Host,
  advice: readonly MemoryAdvice[],
  limit: number | undefined,
  options: AdviceOptions,
): Promise<readonly MemoryAdvice[]> {
  if (limit === undefined || advice.some(({ fits }) => fits)) return [];
  for (let count = 2; count <= advice.length; count++) {
    const first = advice.slice(0, count);
    const change = Object.assign({}, ...first.map((one) => one.change)) as SettingsChange;
    const config = await options.configWith(change);
    const bytes = config && (await planned(host, config, options))?.total;
    if (bytes === undefined || bytes > limit) continue;
    const harm = first.map((one) => one.harm).join(" ");
    return [{ change, label: `The first ${count} of these together`, harm, bytes, fits: true }];
  }
  return [];
}

/** Undefined when a piece of it is larger than the device allows. */
async function planned(
  host: Host,
  config: RunConfig,
  { capabilities }: AdviceOptions,
): Promise<(PlannedRun & { readonly prepared: PreparedRun }) | undefined> {
  const prepared = await prepareRun(host, config, true);
  try {
    return { ...(await planWays(prepared, config, capabilities, { samples: true })), prepared };
  } catch (error) {
    if (isOutOfMemory(error)) return undefined;
    throw error;
  }
}

function cutRows({ data: { dataset }, tools }: PreparedRun, config: RunConfig): string | undefined {
  if (!dataset) return undefined;
  const rows = [...dataset.train, ...dataset.validation].slice(0, MEASURED);
  const limit = limitOf(config);
  const cut = rows.filter((row) => (lengthOf(row, tools, config) ?? 0) > limit).length;
  const of = rows.length === MEASURED ? `the first ${MEASURED} rows` : `${rows.length} rows`;
  if (cut === 0) return `None of ${of} is cut.`;
  return `${cut} of ${of} ${cut === 1 ? "is" : "are"} cut.`;
}

/** Each model and dataset is looked for once, however often it is planned with. */
function remembering(host: Host): Host {
  const once = <A extends readonly unknown[], T>(open: (...args: A) => Promise<T>) => {
    const found = new Map<string, Promise<T>>();
    return (...args: A) => {
      const key = JSON.stringify(args);
      const before = found.get(key) ?? open(...args);
      found.set(key, before);
      return before;
    };
  };
  return {
    ...host,
    openModel: once((...args: Parameters<Host["openModel"]>) => host.openModel(...args)),
    openAdapter: once((...args: Parameters<Host["openAdapter"]>) => host.openAdapter(...args)),
    openDataset: once((...args: Parameters<Host["openDataset"]>) => host.openDataset(...args)),
  };
}
