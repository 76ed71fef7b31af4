import type { ConfigReview } from "../protocol/setup.ts";
import type { GivenSettings, PickedFiles } from "../protocol/values.ts";
import { noteError, useApp } from "./app.ts";
import { request } from "./client.ts";
import { EMPTY, loadingFrom, shown } from "./failure.ts";
import { agreementOf, hubNames, setHub, toAgree, useHub } from "./hub.ts";
import { startRun } from "./run_actions.ts";
import { useRuns } from "./runs.ts";
import {
  algorithmOf,
  dataFingerprint,
  NEW_SETUP,
  plainValues,
  type SetupDocument,
  type SetupState,
  useSetup,
  withSetting,
} from "./setup.ts";
import { switchMethod } from "./switch_method.ts";

/** Changes of the document. Each is followed by one debounced question to the worker. */

const KEPT = "aligntune.setup";
const DEBOUNCE_MS = 200;
/** A name that is being typed is not asked for letter by letter. */
const NAME_MS = 600;

let timer: ReturnType<typeof setTimeout> | undefined;
let version = 0;
let readData = "";
/** The row of the dataset that is shown next, once the data is there. */
let nextRow: number | null = null;
/** The names that the hub was last asked for. */
let askedNames = "";

const documentOf = ({ given, recipe, files, skipBadRows }: SetupState): SetupDocument => ({
  given,
  recipe,
  files,
  skipBadRows,
});

function change(next: Partial<SetupDocument>): void {
  useSetup.setState({ ...next, refused: null });
  keep();
  scheduleRefresh();
}

/** Settings stay in this browser; files do not. */
function keep(): void {
  const { given, recipe } = useSetup.getState();
  try {
    localStorage.setItem(KEPT, JSON.stringify({ given, recipe }));
  } catch {
    // A private window may have no storage. Only the next visit would miss it.
  }
}

/** Takes up what the last visit left, without the names of files that are no longer there. */
export function restoreSetup(): void {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEPT) ?? "null");
    if (typeof kept !== "object" || kept === null || !("given" in kept)) return;
    const { given, recipe } = kept as { given: GivenSettings; recipe: string | null };
    useSetup.setState({ given: { ...given }, recipe });
  } catch {
    // Nothing that can be read was kept.
  }
}

export function scheduleRefresh(): void {
  version++;
  clearTimeout(timer);
  timer = setTimeout(() => void refresh(), DEBOUNCE_MS);
}

export const setSetting = (key: string, value: unknown): void =>
  change({ given: withSetting(useSetup.getState().given, key, value) });

/** Another method, with what still applies of the settings. */
export function pickMethod(id: string): void {
  const { files, resolved } = useSetup.getState();
  const catalog = shown(useApp.getState().catalog);
  const values = shown(resolved);
  const from = algorithmOf(catalog, values);
  const to = catalog?.algorithms.find((algorithm) => algorithm.id === id);
  if (!catalog || !from || !to) return;
  // Nothing was worked out yet, so there is nothing to carry over.
  if (!values) setSetting("algorithm", id);
  else change(switchMethod({ files }, values, [from, to], catalog.datasets));
}

export const resetSetting = (key: string): void => setSetting(key, undefined);

/** Starts the document again, from a recipe or from nothing. */
export function newSetup(recipe: string | null, given: GivenSettings = {}): void {
  readData = "";
  useSetup.setState({ ...NEW_SETUP });
  change({ recipe, given });
}

/** Rows from a file, or pasted. They stay in memory until the run has read them. */
export function pickDataset(file: File): void {
  const { given, files: before } = useSetup.getState();
  const { dataFolder: _gone, ...files } = before;
  const clean = withSetting(withSetting(given, "column_mapping", undefined), "split", undefined);
  change({
    files: { ...files, dataset: file },
    given: withSetting(clean, "dataset_name", file.name),
    skipBadRows: false,
  });
}

/** A folder of data files, whose names say which split they are. */
export function pickDataFolder(folder: string, picked: readonly File[]): void {
  const { given, files } = useSetup.getState();
  const { dataset: _gone, ...rest } = files;
  const name = localName(folder);
  const clean = withSetting(withSetting(given, "column_mapping", undefined), "split", undefined);
  change({
    files: { ...rest, dataFolder: { name, files: picked } },
    given: withSetting(clean, "dataset_name", name),
    skipBadRows: false,
  });
}

export function pickSample(dataset: string): void {
  const { given, files } = useSetup.getState();
  const { dataset: _gone, dataFolder: _folder, ...rest } = files;
  const clean = withSetting(given, "column_mapping", undefined);
  change({ files: rest, given: withSetting(clean, "dataset_name", dataset), skipBadRows: false });
}

/**
 * What settings call a folder of this device: a path, as on a disk. A plain name could be one of the hub, and would be asked
 * for there when the folder is not here any more.
 */
const localName = (folder: string): string => `./${folder}`;

/** A dataset of the hub. */
export function pickHubDataset(name: string, subset: string, split: string): void {
  const { given, files } = useSetup.getState();
  const { dataset: _gone, dataFolder: _folder, ...rest } = files;
  const settings = {
    ...{ column_mapping: undefined, dataset_name: name },
    ...{ config_name: subset || undefined, split: split || undefined },
  };
  const next = Object.entries(settings).reduce(
    (before, [key, value]) => withSetting(before, key, value),
    given,
  );
  change({ files: rest, given: next, skipBadRows: false });
}

/** Reads the data of the hub that is in the plan, however large it is. */
export function agreeToDownload(): void {
  const plan = shown(useSetup.getState().download);
  if (!plan) return;
  useSetup.setState({ agreed: agreementOf(plan) });
  scheduleRefresh();
}

/** Another hub: what was read of the one before is read again. False when the page may not ask that address. */
export async function changeHub(address: string): Promise<boolean> {
  const done = await setHub(address);
  if (done) scheduleRefresh();
  return done;
}

/** Whether the setup page was opened: a document that an earlier visit left asks nothing of a hub before. */
let opened = false;

/** The person is looking at the document. */
export function openSetup(): void {
  if (opened) return;
  opened = true;
  scheduleRefresh();
}

/** A model folder of the standard layout; its name stands for it in the settings. */
export function pickModelFolder(folder: string, model: readonly File[]): void {
  const name = localName(folder);
  const { given, files } = useSetup.getState();
  const { adapter: _adapter, adapterName: _other, ...rest } = files;
  const clean = withSetting(given, "adapter_name_or_path", undefined);
  change({ files: { ...rest, model, modelName: name }, given: withSetting(clean, "model_name", name) });
}

/** The adapter to start from, by its name; null is a fresh one. */
export function pickAdapter(name: string | null): void {
  const { given, files } = useSetup.getState();
  const { adapter: _files, adapterName: _name, ...rest } = files;
  change({ files: rest, given: withSetting(given, "adapter_name_or_path", name ?? undefined) });
}

/** A PEFT folder to start from; its name stands for it in the settings. */
export function pickAdapterFolder(folder: string, adapter: readonly File[]): void {
  const name = localName(folder);
  const { given, files } = useSetup.getState();
  change({
    files: { ...files, adapter, adapterName: name },
    given: withSetting(given, "adapter_name_or_path", name),
  });
}

export function pickModel(id: string): void {
  const { given, files } = useSetup.getState();
  const { model: _gone, modelName: _name, adapter: _adapter, adapterName: _other, ...rest } = files;
  // An adapter belongs to its model.
  const clean = withSetting(given, "adapter_name_or_path", undefined);
  change({ files: rest, given: withSetting(clean, "model_name", id) });
}

export const setSkipBadRows = (skipBadRows: boolean): void => change({ skipBadRows });

/** The whole document as a file gave it. */
export const applyReview = (review: ConfigReview): void => change({ given: review.given, recipe: null });

/** The settings of a saved run, to change and start again. */
export async function takeSettingsOf(runId: string): Promise<void> {
  const text = useRuns.getState().runs[runId]?.configYaml;
  if (!text) return;
  try {
    applyReview(await request("reviewConfig", { text, repair: false }));
  } catch (error) {
    useSetup.setState({ refused: noteError(error) });
  }
}

async function refresh(): Promise<void> {
  const mine = version;
  const { given, recipe, files } = useSetup.getState();
  useSetup.setState((state) => ({ resolved: loadingFrom(state.resolved) }));
  try {
    const resolved = await request("resolve", { given, recipe });
    if (mine !== version) return;
    useSetup.setState({ resolved: { state: "ready", value: resolved } });
    const values = plainValues(resolved);
    // Data and memory are only read for settings that could run.
    if (resolved.issues.length === 0) await refreshData(mine, values, files);
    else setStale();
  } catch (error) {
    if (mine === version) useSetup.setState({ resolved: { state: "failed", error: noteError(error) } });
  }
}

/** What was read of the data stays in sight while a setting is being corrected. */
function setStale(): void {
  useSetup.setState(({ preview, plan }) => ({
    preview: preview.state === "loading" ? EMPTY : preview,
    plan: plan.state === "loading" ? EMPTY : plan,
  }));
}

const fileMark = ({ dataset, model, modelName }: PickedFiles): string =>
  [dataset?.name, dataset?.size, dataset?.lastModified, modelName, model?.length].join(" ");

async function refreshData(mine: number, values: GivenSettings, files: PickedFiles): Promise<void> {
  const catalog = shown(useApp.getState().catalog);
  const resolved = shown(useSetup.getState().resolved);
  const names = hubNames(values, files, catalog);
  if (names.length === 0) useSetup.setState({ download: EMPTY });
  else if (!(await readDownload(mine, names.join("\n")))) return;
  const { address } = useHub.getState();
  const mark = dataFingerprint(algorithmOf(catalog, resolved), values) + fileMark(files) + address;
  await Promise.all([
    mark === readData ? undefined : readPreview(mine, mark, values),
    readPlan(mine, values),
  ]);
  if (nextRow === null || mine !== version || useSetup.getState().preview.state !== "ready") return;
  const row = nextRow;
  nextRow = null;
  await showRow(row, true);
}

/** What the hub says of its files, and whether they may be read now. */
async function readDownload(mine: number, names: string): Promise<boolean> {
  if (!opened) return false;
  if (names !== askedNames) await new Promise((resolve) => setTimeout(resolve, NAME_MS));
  if (mine !== version) return false;
  askedNames = names;
  const { given, recipe, files } = documentOf(useSetup.getState());
  useSetup.setState((state) => ({ download: loadingFrom(state.download) }));
  try {
    const value = await request("planDownload", { given, recipe, files });
    if (mine !== version) return false;
    useSetup.setState({ download: { state: "ready", value } });
    if (toAgree(value, useSetup.getState().agreed) === 0) return true;
  } catch (error) {
    if (mine !== version) return false;
    useSetup.setState({ download: { state: "failed", error: noteError(error) } });
  }
  readData = "";
  useSetup.setState({ preview: EMPTY, row: EMPTY, plan: EMPTY });
  return false;
}

async function readPreview(mine: number, mark: string, values: GivenSettings): Promise<void> {
  if (typeof values["dataset_name"] !== "string" || typeof values["model_name"] !== "string") {
    useSetup.setState({ preview: EMPTY, row: EMPTY });
    return;
  }
  const { given, recipe, files } = documentOf(useSetup.getState());
  useSetup.setState((state) => ({ preview: loadingFrom(state.preview) }));
  try {
    const value = await request("previewData", { given, recipe, files });
    if (mine !== version) return;
    readData = mark;
    useSetup.setState({ preview: { state: "ready", value } });
    if (nextRow === null) await showRow(0);
  } catch (error) {
    if (mine !== version) return;
    readData = mark;
    useSetup.setState({ preview: { state: "failed", error: noteError(error) }, row: EMPTY });
  }
}

async function readPlan(mine: number, values: GivenSettings): Promise<void> {
  if (typeof values["model_name"] !== "string") {
    useSetup.setState({ plan: EMPTY });
    return;
  }
  const { given, recipe, files } = documentOf(useSetup.getState());
  useSetup.setState((state) => ({ plan: loadingFrom(state.plan) }));
  try {
    const value = await request("planMemory", { given, recipe, files });
    if (mine === version) useSetup.setState({ plan: { state: "ready", value } });
  } catch (error) {
    if (mine === version) useSetup.setState({ plan: { state: "failed", error: noteError(error) } });
  }
}

/** Shows this row of the dataset when the settings that come next have been read. */
export const openAtRow = (row: number): void => {
  nextRow = row;
};

/** Renders one row as the model sees it; `ofDataset` counts the rows that cannot be used too. */
export async function showRow(row: number, ofDataset = false): Promise<void> {
  const { given, recipe, files } = useSetup.getState();
  useSetup.setState((state) => ({ row: loadingFrom(state.row) }));
  try {
    const value = await request("renderRow", { given, recipe, files, row, ofDataset });
    useSetup.setState({ row: { state: "ready", value } });
  } catch (error) {
    useSetup.setState({ row: { state: "failed", error: noteError(error) } });
  }
}

/** Starts the run of the document and returns its id, or undefined when it was refused: then the page shows why. */
export async function startSetup(): Promise<string | undefined> {
  useSetup.setState({ starting: true, refused: null });
  try {
    const state = useSetup.getState();
    const method = shown(state.resolved)?.algorithm ?? "sft";
    return await startRun({ ...documentOf(state), method, name: null });
  } catch (error) {
    useSetup.setState({ refused: noteError(error) });
    return undefined;
  } finally {
    useSetup.setState({ starting: false });
  }
}
