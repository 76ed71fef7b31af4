import type { GivenSettings, PickedFiles } from "../protocol/values.ts";
import { noteError, useApp } from "./app.ts";
import { request } from "./client.ts";
import { clearDownloads } from "./downloads.ts";
import { EMPTY, type Failure, loadingFrom, shown } from "./failure.ts";
import { agreementOf, hubNames, toAgree, useHub } from "./hub.ts";
import { forgetFacts, readFacts } from "./hub_facts.ts";
import { tokenMark } from "./hub_token.ts";
import {
  algorithmOf,
  dataFingerprint,
  NEW_SETUP,
  plainValues,
  type SetupDocument,
  type SetupState,
  useSetup,
} from "./setup.ts";
import { followDocument } from "./setup_view.ts";

/** What the worker makes of the document: asked for after every change, in one debounced round. */

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

export const documentOf = ({ given, recipe, files, skipBadRows }: SetupState): SetupDocument => ({
  given,
  recipe,
  files,
  skipBadRows,
});

/** Another document: nothing that was read of the one before holds. */
export function startOver(): void {
  readData = "";
  followDocument();
  useSetup.setState({ ...NEW_SETUP });
}

export function scheduleRefresh(): void {
  version++;
  clearTimeout(timer);
  timer = setTimeout(() => void refresh(), DEBOUNCE_MS);
}

/** Reads the data of the hub that is in the plan, however large it is. */
export function agreeToDownload(): void {
  const plan = shown(useSetup.getState().download);
  if (!plan) return;
  useSetup.setState({ agreed: agreementOf(plan) });
  scheduleRefresh();
}

/** Whether the setup page was opened: a document that an earlier visit left asks nothing of a hub before. */
let opened = false;

/** The person is looking at the document. */
export function openSetup(): void {
  opened = true;
  scheduleRefresh();
}

/** Asks the hub again: it may answer now, or let us in. */
export function retryHub(): void {
  readData = "";
  forgetFacts();
  scheduleRefresh();
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

const fileMark = ({ dataset, dataFolder, model, modelName }: PickedFiles): string =>
  [
    dataset?.name,
    dataset?.size,
    dataset?.lastModified,
    dataFolder?.name,
    dataFolder?.files.map(({ name, size, lastModified }) => [name, size, lastModified]).join(),
    modelName,
    model?.length,
  ].join(" ");

async function refreshData(mine: number, values: GivenSettings, files: PickedFiles): Promise<void> {
  const catalog = shown(useApp.getState().catalog);
  const resolved = shown(useSetup.getState().resolved);
  const names = hubNames(values, files, catalog);
  if (names.length === 0) {
    useSetup.setState({ download: EMPTY });
    void readFacts(values, names, "");
  } else if (!(await readDownload(mine, values, names))) return;
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

/** What the hub says of the names and their files, and whether the data may be read now. */
async function readDownload(mine: number, values: GivenSettings, names: readonly string[]): Promise<boolean> {
  if (!opened) return false;
  const asking = names.join("\n");
  if (asking !== askedNames) await new Promise((resolve) => setTimeout(resolve, NAME_MS));
  if (mine !== version) return false;
  askedNames = asking;
  const { given, recipe, files } = documentOf(useSetup.getState());
  useSetup.setState((state) => ({ download: loadingFrom(state.download) }));
  const refused = await readFacts(values, names, `${useHub.getState().address} ${tokenMark()}`);
  if (mine !== version) return false;
  if (refused) return notReadable(refused);
  try {
    const value = await request("planDownload", { given, recipe, files });
    if (mine !== version) return false;
    useSetup.setState({ download: { state: "ready", value } });
    return toAgree(value, useSetup.getState().agreed) === 0 || notReadable(null);
  } catch (error) {
    return mine === version && notReadable(noteError(error));
  }
}

/** Nothing is shown of data that cannot be read, or not yet. */
function notReadable(error: Failure | null): false {
  readData = "";
  const nothing = { preview: EMPTY, row: EMPTY, plan: EMPTY };
  useSetup.setState({ ...nothing, ...(error && { download: { state: "failed", error } }) });
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
    clearDownloads();
    useSetup.setState({ preview: { state: "ready", value } });
    if (nextRow === null) await showRow(0);
  } catch (error) {
    if (mine !== version) return;
    readData = mark;
    clearDownloads();
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
