import { create } from "zustand";
import type { HubDatasetInfo, HubModelInfo } from "../protocol/hub.ts";
import type { GivenSettings } from "../protocol/values.ts";
import { noteError } from "./app.ts";
import { request } from "./client.ts";
import { EMPTY, type Failure, type Loadable } from "./failure.ts";

/** What the hub says of the model and the dataset that the document names, before anything large is fetched. */
export interface HubFacts {
  readonly model: Loadable<HubModelInfo>;
  readonly dataset: Loadable<HubDatasetInfo>;
}

export const NO_FACTS: HubFacts = { model: EMPTY, dataset: EMPTY };
export const useHubFacts = create<HubFacts>(() => NO_FACTS);

/** A repository as settings name it. */
export interface Named {
  readonly kind: "model" | "dataset";
  readonly name: string;
  readonly revision: string | null;
}

type Kind = Named["kind"];

/** What was asked last for each, with its answer on the way; the answer to anything before is dropped. */
const asked: Record<Kind, { key: string; answer: Promise<void> }> = {
  model: { key: "", answer: Promise.resolve() },
  dataset: { key: "", answer: Promise.resolve() },
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
  if (key !== before.key) asked[kind] = { key, answer: ask(kind, named, key) };
  return asked[kind].answer;
}

async function ask(kind: Kind, named: Named | null, key: string): Promise<void> {
  if (named === null) return useHubFacts.setState({ [kind]: EMPTY });
  const isNow = () => asked[kind].key === key;
  useHubFacts.setState({ [kind]: { state: "loading", value: null } });
  try {
    const value = await askAbout(named);
    if (isNow()) useHubFacts.setState({ [kind]: { state: "ready", value } });
  } catch (error) {
    if (isNow()) useHubFacts.setState({ [kind]: { state: "failed", error: noteError(error) } });
  }
}

/** The same names are asked for again: access may be another, files may have arrived. */
export function forgetFacts(): void {
  asked.model = { ...asked.model, key: "forgotten" };
  asked.dataset = { ...asked.dataset, key: "forgotten" };
}
