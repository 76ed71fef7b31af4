import { parseAlgorithm } from "../config/algorithm.ts";
import type { ConfigReview } from "../protocol/setup.ts";
import type { GivenSettings } from "../protocol/values.ts";
import { noteError, useApp } from "./app.ts";
import { request } from "./client.ts";
import { shown } from "./failure.ts";
import { setHub } from "./hub.ts";
import { startRun } from "./run_actions.ts";
import { useRuns } from "./runs.ts";
import { algorithmOf, type SetupDocument, useSetup, withSetting } from "./setup.ts";
import { documentOf, scheduleRefresh, startOver } from "./setup_refresh.ts";
import { followDocument, showSource } from "./setup_view.ts";
import { switchMethod } from "./switch_method.ts";

/** Changes of the document. Each is followed by one debounced question to the worker. */

const KEPT = "aligntune.setup";

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
  startOver();
  change({ recipe, given });
}

/** Rows from a file, or pasted. They stay in memory until the run has read them. */
export function pickDataset(file: File): void {
  const { given, files: before } = useSetup.getState();
  const { dataFolder: _gone, ...files } = before;
  const clean = ofNoHub(given);
  showSource("file");
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
  showSource("file");
  change({
    files: { ...rest, dataFolder: { name, files: picked } },
    given: withSetting(ofNoHub(given), "dataset_name", name),
    skipBadRows: false,
  });
}

/** What was said of a dataset of a hub means nothing of another one. */
const ofNoHub = (given: GivenSettings): GivenSettings =>
  ["column_mapping", "split", "config_name"].reduce(
    (before, key) => withSetting(before, key, undefined),
    given,
  );

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

/** A dataset of the hub, with its default subset and split until others are chosen. */
export function pickHubDataset(name: string, subset?: string): void {
  const { given, files } = useSetup.getState();
  const { dataset: _gone, dataFolder: _folder, ...rest } = files;
  const settings = { column_mapping: undefined, dataset_name: name, config_name: subset, split: undefined };
  const next = Object.entries(settings).reduce(
    (before, [key, value]) => withSetting(before, key, value),
    given,
  );
  change({ files: rest, given: next, skipBadRows: false });
}

/** Another hub: what was read of the one before is read again. False when the page may not ask that address. */
export async function changeHub(address: string): Promise<boolean> {
  const done = await setHub(address);
  if (done) scheduleRefresh();
  return done;
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

/** A model by its name; a revision belongs to the hub's, and each model has its own. */
export function pickModel(id: string, revision: string | null = null): void {
  const { given, files } = useSetup.getState();
  const { model: _gone, modelName: _name, adapter: _adapter, adapterName: _other, ...rest } = files;
  // An adapter belongs to its model.
  const clean = withSetting(given, "adapter_name_or_path", undefined);
  const named = withSetting(clean, "model_name", id);
  change({ files: rest, given: withSetting(named, "model_revision", revision ?? undefined) });
}

export const setSkipBadRows = (skipBadRows: boolean): void => change({ skipBadRows });

/** The whole document as a file gave it. */
export function applyReview(review: ConfigReview): void {
  followDocument();
  change({ given: review.given, recipe: null });
}

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

/** Starts the run of the document and returns its id, or undefined when it was refused: then the page shows why. */
export async function startSetup(unkept = false): Promise<string | undefined> {
  useSetup.setState({ starting: true, refused: null });
  try {
    const state = useSetup.getState();
    // What was given may be newer than what was last resolved.
    const given = parseAlgorithm(String(state.given["algorithm"] ?? ""));
    const method = given ?? shown(state.resolved)?.algorithm ?? "sft";
    return await startRun({ ...documentOf(state), method, name: null, ...(unkept && { unkept }) });
  } catch (error) {
    useSetup.setState({ refused: noteError(error) });
    return undefined;
  } finally {
    useSetup.setState({ starting: false });
  }
}
