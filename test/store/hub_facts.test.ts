import { afterEach, beforeEach, expect, it } from "vitest";
import { AppError } from "../../src/lib/errors.ts";
import type { HubModelInfo } from "../../src/protocol/hub.ts";
import { shown } from "../../src/store/failure.ts";
import { forgetFacts, namedIn, readFacts, useHubFacts } from "../../src/store/hub_facts.ts";
import { type Answering, answerWith } from "./answering.ts";

const info = (name: string, revision: string | null): HubModelInfo => ({
  ...{ key: name, name, id: name, commit: revision ?? "main", host: "huggingface.co", licence: null },
  ...{ gated: false, private: false, modelType: "qwen3", supported: null },
  ...{ bytes: 1, parameters: 1, storedBytes: 0, complete: false },
});

let worker: Answering;
beforeEach(async () => {
  worker = answerWith({ hubModel: async ({ name, revision }) => info(name, revision) });
  await readFacts({}, [], "");
});
afterEach(() => worker.close());

const read = (model_name: string, more = {}) => readFacts({ model_name, ...more }, [model_name], "hub");
const commit = () => shown(useHubFacts.getState().model)?.commit;

it("names only what a hub can have, with the revision of a model", () => {
  const values = { model_name: "a/b", model_revision: "v1", dataset_name: "ahoy" };
  expect(namedIn("model", values, ["a/b"])).toEqual({ kind: "model", name: "a/b", revision: "v1" });
  expect(namedIn("dataset", values, ["a/b"])).toBeNull();
});

it("asks nothing where nothing of a hub is named, and once for each name and revision", async () => {
  await readFacts({ model_name: "tiny" }, [], "hub");
  expect(worker.sent).toEqual([]);
  await read("a/b");
  await read("a/b");
  expect(worker.sent).toHaveLength(1);
  await read("a/b", { model_revision: "v1" });
  expect(worker.sent).toHaveLength(2);
  expect(commit()).toBe("v1");
  forgetFacts();
  await read("a/b", { model_revision: "v1" });
  expect(worker.sent).toHaveLength(3);
});

it("keeps a failure until it is to be asked again", async () => {
  worker.answers = {
    hubModel: async () => {
      throw new AppError("network", "It did not answer.");
    },
  };
  expect(await read("a/c")).toMatchObject({ code: "network" });
  expect(await read("a/c")).toMatchObject({ code: "network" });
  expect(worker.sent).toHaveLength(1);
  worker.answers = { hubModel: async ({ name, revision }) => info(name, revision) };
  forgetFacts();
  expect(await read("a/c")).toBeNull();
});

it("drops the answer about a name that is no longer asked for", async () => {
  let answerFirst = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    answerFirst = resolve;
  });
  worker.answers = {
    hubModel: async ({ name, revision }) => {
      if (name === "a/slow") await held;
      return info(name, revision);
    },
  };
  const slow = read("a/slow");
  await read("a/fast");
  answerFirst();
  await slow;
  expect(shown(useHubFacts.getState().model)?.name).toBe("a/fast");
  expect(useHubFacts.getState().about.model).toBe("a/fast");
});
