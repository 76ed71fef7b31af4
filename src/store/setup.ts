import { create } from "zustand";
import type { FieldData } from "../config/fields.ts";
import { formatBytes } from "../lib/format_bytes.ts";
import type { AlgorithmInfo, Catalog } from "../protocol/catalog.ts";
import type {
  DataPreview,
  DownloadPlan,
  MemoryPlan,
  RenderedRowData,
  ResolvedSettings,
} from "../protocol/setup.ts";
import type { GivenSettings, PickedFiles } from "../protocol/values.ts";
import { EMPTY, type Failure, type Loadable, shown } from "./failure.ts";
import { fetchedAtStart, toAgree } from "./hub.ts";

/** The run that is being set up: one document, edited by form, YAML, recipes and dropped files alike. */
export interface SetupDocument {
  readonly given: GivenSettings;
  readonly recipe: string | null;
  readonly files: PickedFiles;
  readonly skipBadRows: boolean;
}

export interface SetupState extends SetupDocument {
  /** What the worker makes of the document. */
  readonly resolved: Loadable<ResolvedSettings>;
  /** What a run would fetch from the hub; empty when the document names nothing of it. */
  readonly download: Loadable<DownloadPlan>;
  /** The data whose download a person agreed to: see `agreementOf`. */
  readonly agreed: string | null;
  readonly preview: Loadable<DataPreview>;
  readonly row: Loadable<RenderedRowData>;
  readonly plan: Loadable<MemoryPlan>;
  readonly starting: boolean;
  readonly refused: Failure | null;
}

export const NEW_SETUP: SetupState = {
  given: {},
  recipe: null,
  files: {},
  skipBadRows: false,
  resolved: EMPTY,
  download: EMPTY,
  agreed: null,
  preview: EMPTY,
  row: EMPTY,
  plan: EMPTY,
  starting: false,
  refused: null,
};

export const useSetup = create<SetupState>(() => NEW_SETUP);

/** A setting given. `undefined` takes it back, so that the recipe or the default holds again. */
export function withSetting(given: GivenSettings, key: string, value: unknown): GivenSettings {
  const { [key]: _before, ...rest } = given;
  return value === undefined ? rest : { ...rest, [key]: value };
}

/** The value that a run would use. */
export function settingOf(resolved: ResolvedSettings | null, given: GivenSettings, key: string): unknown {
  return key in given ? given[key] : resolved?.values[key]?.value;
}

/** Whether a value was set, by the person or the recipe, to something else than its default. */
export function isChanged(resolved: ResolvedSettings | null, field: FieldData): boolean {
  const origin = resolved?.values[field.key];
  if (origin === undefined || origin.source === "default") return false;
  return JSON.stringify(origin.value) !== JSON.stringify(field.default);
}

/** Settings that change which rows are read or how they become tokens. */
const DATA_GROUPS = new Set(["method", "model", "data"]);
const DATA_KEYS = new Set(["max_seq_length", "val_split_ratio", "test_split_ratio", "seed", "data_seed"]);

/** Changes when the preview of the data would change. */
export function dataFingerprint(algorithm: AlgorithmInfo | undefined, values: GivenSettings): string {
  const keys = (algorithm?.fields ?? [])
    .filter(({ group, key }) => DATA_GROUPS.has(group) || DATA_KEYS.has(key) || group === "loss")
    .map(({ key }) => [key, values[key]]);
  return JSON.stringify(keys);
}

/** All values as they hold, by key. */
export const plainValues = (resolved: ResolvedSettings): GivenSettings =>
  Object.fromEntries(Object.entries(resolved.values).map(([key, { value }]) => [key, value]));

export const algorithmOf = (
  catalog: Catalog | null,
  resolved: ResolvedSettings | null,
): AlgorithmInfo | undefined =>
  catalog?.algorithms.find(({ id }) => id === resolved?.algorithm) ?? catalog?.algorithms[0];

/** What stands between the document and a run; the label of the one button says it. */
export interface NextStep {
  readonly label: string;
  /** Where to go to do it; null when the run can start. */
  readonly section: "model" | "data" | "rewards" | "settings" | "memory" | null;
  readonly ready: boolean;
  /** Bytes that are fetched from the hub by pressing it. */
  readonly fetches?: number;
}

const missing = (label: string, section: NextStep["section"]): NextStep => ({ label, section, ready: false });

/** The next thing that is missing, in the order of the page. */
export function nextStep(state: SetupState, deviceReady: boolean): NextStep {
  if (!deviceReady) return missing("Needs WebGPU", null);
  const open =
    settingsStep(state) ??
    downloadStep(state) ??
    dataStep(state.preview, state.skipBadRows) ??
    memoryStep(state.plan);
  if (open) return open;
  if (state.starting) return missing("Starting…", null);
  const plan = shown(state.download);
  const fetches = plan ? fetchedAtStart(plan) : 0;
  return { label: "Start training", section: null, ready: true, ...(fetches > 0 && { fetches }) };
}

function settingsStep({ resolved, given }: SetupState): NextStep | null {
  const settings = shown(resolved);
  if (settings === null)
    return missing(
      resolved.state === "failed" ? "Settings could not be checked" : "Checking settings…",
      null,
    );
  if (isBlank(settingOf(settings, given, "model_name"))) return missing("Choose a model", "model");
  if (isBlank(settingOf(settings, given, "dataset_name"))) return missing("Choose data", "data");
  if (Array.isArray(given["rewards"]) && given["rewards"].length === 0)
    return missing("Add a reward", "rewards");
  const [issue] = settings.issues;
  if (!issue) return null;
  const ofRewards = settings.issues.every(({ path }) => path.startsWith("rewards."));
  return missing(issueLabel(settings.issues.length), ofRewards ? "rewards" : "settings");
}

function downloadStep({ download, agreed }: SetupState): NextStep | null {
  if (download.state === "failed") return refusedStep(download.error);
  const plan = shown(download);
  const fetches = plan ? toAgree(plan, agreed) : 0;
  return fetches > 0 ? { label: "Read the data", section: "data", ready: false, fetches } : null;
}

function refusedStep({ code, details }: Failure): NextStep {
  if (code === "network")
    return missing(details["status"] === 429 ? "The hub is busy" : "The hub did not answer", "model");
  if (details["key"] === "config_name") return missing("Choose a subset", "data");
  if (details["key"] === "split") return missing("Choose a split", "data");
  const isData =
    code === "config-invalid" || code === "dataset-invalid" || /dataset/.test(String(details["what"]));
  if (code === "access-denied") return missing("Get access first", isData ? "data" : "model");
  return isData ? missing("Choose other data", "data") : missing("Choose another model", "model");
}

const isBlank = (value: unknown): boolean => value === undefined || value === null || value === "";
const issueLabel = (count: number): string =>
  count === 1 ? "Correct 1 setting" : `Correct ${count} settings`;

function dataStep(preview: Loadable<DataPreview>, skipBadRows: boolean): NextStep | null {
  if (preview.state === "failed")
    return missing("columns" in preview.error.details ? "Map the columns" : "Choose other data", "data");
  if (preview.state === "empty" || preview.state === "loading") return missing("Reading data…", null);
  const { problemTotal, rowCount } = preview.value;
  if (rowCount === 0 || problemTotal >= rowCount) return missing("No usable rows: map the columns", "data");
  if (problemTotal > 0 && !skipBadRows) {
    return missing(`Decide on ${problemTotal} bad ${problemTotal === 1 ? "row" : "rows"}`, "data");
  }
  return null;
}

function memoryStep(plan: Loadable<MemoryPlan>): NextStep | null {
  if (plan.state === "failed" && plan.error.code === "gpu-out-of-memory")
    return missing("Too large for this GPU: make it fit", "memory");
  const value = shown(plan);
  if (!value?.tooLarge || value.budget === null) return null;
  const [needed, allowed] = [value.total, value.budget].map(formatBytes);
  return missing(`Needs ${needed} of ${allowed}: make it fit`, "memory");
}

/** The mapping to give when a column's role is picked in the header; `null` says that it plays none. */
export function mappingWith(
  roles: Readonly<Record<string, string>>,
  column: string,
  role: string | null,
): Readonly<Record<string, string>> {
  const others = Object.entries(roles).filter(([name, other]) => name !== column && other !== role);
  return Object.fromEntries(role === null ? others : [...others, [column, role]]);
}
