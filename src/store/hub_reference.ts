import { type HubReference, hubReference } from "../lib/hub.ts";

type Kind = HubReference["kind"];

/** What was typed into a field for models or for datasets: a name, or why it is none. */
export type ReadName =
  | { readonly name: string; readonly revision: string | null }
  | { readonly problem: string; readonly other?: HubReference };

const WORDS = { model: "a model", dataset: "a dataset" } as const;

/** Reads an id, `id@revision` or a pasted address. One of the other kind is offered for its own place. */
export function readName(text: string, kind: Kind): ReadName {
  const found = hubReference(text);
  if (found === undefined)
    return {
      problem: `Names of the hub have the form owner/name, as in ${kind === "model" ? "Qwen/Qwen3-0.6B" : "openai/gsm8k"}. An address of ${WORDS[kind]} can be pasted as it is.`,
    };
  // A plain name says nothing of its kind.
  const says = found.host !== null || found.kind === "dataset";
  if (says && found.kind !== kind)
    return { problem: `This is the address of ${WORDS[found.kind]}, not of ${WORDS[kind]}.`, other: found };
  return { name: found.id, revision: found.revision };
}

/** A dataset's revision is part of its name; a model has a setting of its own for it. */
export const nameWith = (name: string, revision: string | null): string =>
  revision === null ? name : `${name}@${revision}`;
