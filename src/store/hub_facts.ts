import { create } from "zustand";
import type { HubDatasetInfo, HubModelInfo } from "../protocol/hub.ts";
import type { GivenSettings } from "../protocol/values.ts";
import { noteError } from "./app.ts";
import { request } from "./client.ts";
import { EMPTY, type Failure, type Loadable, shown } from "./failure.ts";

/** What the hub says of the model and the dataset that the document names, before anything large is fetched. */
export interface HubFacts {
  readonly model: Loadable<HubModelInfo>;
  readonly dataset: Loadable<HubDatasetInfo>;
  /** The names that these are about: the document may name others by now. */
  readonly about: { readonly model: string | null; readonly dataset: string | null };
}

export const useHubFacts = create<HubFacts>(() => ({
  model: EMPTY,
  dataset: EMPTY,
  about: { model: null, dataset: null },
}));

/** A repository as settings name it. */
export interface Named {
  readonly kind: "model" | "dataset";
  readonly name: string;
  readonly revision: string | null;
}

type Kind = Named["kind"];

interface Asked {
  readonly key: string;
  readonly answer: Promise<void>;
  /** To be asked again although the names are the same. */
  isStale: boolean;
}

/** What was asked last for each, with its answer on the way; the answer to anything before is dropped. */
const asked: Record<Kind, Asked> = {
  model: { key: "", answer: Promise.resolve(), isStale: false },
  dataset: { key: "", answer: Promise.resolve(), isStale: false },
};

const NAMES = { model: "model_name", dataset: "dataset_name" } as const;

/** The model or dataset of a document, when it is among the names that only a hub can have. */
export function namedIn(kind: Kind, values: GivenSettings, hubNames: readonly string[]): Named | null {
  const name = values[NAMES[kind]];
  if (typeof name !== "string" || !hubNames.includes(name)) return null;
  const revision = kind === "model" ? values["model_revision"] : null;
  return { kind, name, revision: typeof revision === "string" && revision !== "" ? revision : null };
}

/** What the hub says of one repository. Asks it. */
export const askAbout = (
  { kind, name, revision }: Named,
  fresh = false,
): Promise<HubModelInfo | HubDatasetInfo> =>
  request(kind === "model" ? "hubModel" : "hubDataset", { name, revision, fresh });

/**
 * Asks about what the document names and was not asked before; `mark` stands for the hub and whether it knows who asks.
 * Returns the first failure, of the model before that of the data.
 */
export async function readFacts(
  values: GivenSettings,
  hubNames: readonly string[],
  mark: string,
): Promise<Failure | null> {
  await Promise.all([
    read("model", namedIn("model", values, hubNames), mark),
    read("dataset", namedIn("dataset", values, hubNames), mark),
  ]);
  const { model, dataset } = useHubFacts.getState();
  if (model.state === "failed") return model.error;
  return dataset.state === "failed" ? dataset.error : null;
}

function read(kind: Kind, named: Named | null, mark: string): Promise<void> {
  const key = named === null ? "" : JSON.stringify([mark, named.name, named.revision]);
  const before = asked[kind];
  if (key === before.key && !before.isStale) return before.answer;
  const isSame = key === before.key;
  const now: Asked = {
    key,
    isStale: false,
    answer: Promise.resolve().then(() => ask(kind, named, isSame, now)),
  };
  asked[kind] = now;
  return now.answer;
}

async function ask(kind: Kind, named: Named | null, isSame: boolean, now: Asked): Promise<void> {
  const before = useHubFacts.getState();
  const about = { ...before.about, [kind]: named?.name ?? null };
  if (named === null) return useHubFacts.setState({ [kind]: EMPTY, about });
  // What is known stays in sight while it is looked at again.
  const loading = { state: "loading", value: isSame ? shown<unknown>(before[kind]) : null };
  useHubFacts.setState({ [kind]: loading, about });
  try {
    const value = await askAbout(named);
    if (asked[kind] === now) useHubFacts.setState({ [kind]: { state: "ready", value } });
  } catch (error) {
    const failure = noteError(error);
    if (asked[kind] === now) useHubFacts.setState({ [kind]: { state: "failed", error: failure } });
  }
}

/** The same names are asked for again: access may be another, files may have arrived. */
export function forgetFacts(): void {
  asked.model.isStale = true;
  asked.dataset.isStale = true;
}
