import { create } from "zustand";
import { HUB_ENDPOINT, hubAddress, hubId } from "../lib/hub.ts";
import type { Catalog } from "../protocol/catalog.ts";
import type { DownloadPlan } from "../protocol/setup.ts";
import type { GivenSettings, PickedFiles } from "../protocol/values.ts";
import { request } from "./client.ts";
import { recallToken, tokenFor } from "./hub_token.ts";

/** The hub that names of models and data are looked for at, when a person gives such a name. */

const KEPT = "aligntune.hub";

function keptAddress(): string {
  try {
    return hubAddress(localStorage.getItem(KEPT) ?? "") ?? HUB_ENDPOINT;
  } catch {
    return HUB_ENDPOINT;
  }
}

interface HubState {
  readonly address: string;
  /** A person is looking at the address. */
  readonly choosing: boolean;
}

export const useHub = create<HubState>(() => ({
  address: typeof localStorage === "undefined" ? HUB_ENDPOINT : keptAddress(),
  choosing: false,
}));

export const openAddress = (): void => useHub.setState({ choosing: true });
export const closeAddress = (): void => useHub.setState({ choosing: false });

export const hubHost = (address: string): string => new URL(address).host;

/** Tells the worker which hub it is, with the token that is held for it. Nothing is asked of it by that. */
export function sendHub(): Promise<unknown> {
  const { address } = useHub.getState();
  return request("setHub", { endpoint: address, token: tokenFor(address) });
}

/** Another address, from now on and in later visits. False when it is none that this page may ask. */
export async function setHub(text: string): Promise<boolean> {
  const address = text.trim() === "" ? HUB_ENDPOINT : hubAddress(text);
  if (address === undefined) return false;
  useHub.setState({ address });
  try {
    localStorage.setItem(KEPT, address);
  } catch {
    // The address then holds for this visit.
  }
  recallToken(address);
  await sendHub();
  return true;
}

const NAMES = [
  "model_name",
  "dataset_name",
  "eval_dataset_name",
  "adapter_name_or_path",
  "reward_model_name",
] as const;

/** The names of a document that only a hub can have: neither of this page nor of a file that was picked. */
export function hubNames(
  values: GivenSettings,
  files: PickedFiles,
  catalog: Pick<Catalog, "models" | "datasets"> | null,
): readonly string[] {
  const here = new Set<unknown>([
    ...[files.modelName, files.dataset?.name, files.dataFolder?.name, files.adapterName],
    ...[...(catalog?.models ?? []), ...(catalog?.datasets ?? [])].map(({ id }) => id),
  ]);
  const { more_datasets: more = [] } = values;
  const further = Array.isArray(more) ? more.map((entry: unknown) => nameIn(entry)) : [];
  return [...NAMES.map((key) => values[key]), ...further].flatMap((name) =>
    typeof name === "string" && !here.has(name) && hubId(name) ? [name] : [],
  );
}

const nameIn = (entry: unknown): unknown =>
  typeof entry === "object" && entry !== null && "name" in entry ? entry.name : undefined;

/** Data of more bytes than this is read only when a person says so. */
const ASK_FIRST = 64 * 1024 * 1024;

/** What of a part is not on this device yet. */
export const toFetch = ({ bytes, stored = 0 }: DownloadPlan["parts"][number]): number =>
  Math.max(0, bytes - stored);

const bytesOf = ({ parts }: DownloadPlan, isData: boolean): number =>
  parts.reduce((sum, part) => sum + ((part.what === "data") === isData ? toFetch(part) : 0), 0);

/** What is fetched when training starts; the data is read before. */
export const fetchedAtStart = (plan: DownloadPlan): number => bytesOf(plan, false);

/** The bytes of data that a person has to agree to before they are read; 0 when nothing has to be asked. */
export function toAgree(plan: DownloadPlan, agreed: string | null): number {
  const bytes = bytesOf(plan, true);
  return bytes > ASK_FIRST && agreed !== agreementOf(plan) ? bytes : 0;
}

/** Stands for the data of a plan. */
export const agreementOf = ({ parts }: DownloadPlan): string =>
  JSON.stringify(parts.filter(({ what }) => what === "data").map(({ name, bytes }) => [name, bytes]));
