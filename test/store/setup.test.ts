import { describe, expect, it } from "vitest";
import type { DataPreview, ResolvedSettings } from "../../src/protocol/setup.ts";
import { EMPTY } from "../../src/store/failure.ts";
import { agreementOf } from "../../src/store/hub.ts";
import { mappingWith, NEW_SETUP, nextStep, type SetupState, withSetting } from "../../src/store/setup.ts";

const resolved: ResolvedSettings = {
  algorithm: "sft",
  values: {
    model_name: { value: "tiny", source: "override" },
    dataset_name: { value: "ahoy", source: "override" },
  },
  issues: [],
  notes: [],
};
const preview: DataPreview = {
  name: "ahoy",
  rowCount: 10,
  lookedAt: 10,
  columns: ["prompt"],
  roles: { prompt: "prompt" },
  format: "prompt",
  mappingDirection: null,
  rows: [],
  problems: [],
  problemTotal: 0,
  notes: [],
  splits: { train: 8, validation: 1, test: 1 },
  sources: [],
  lengths: { bins: [], max: 1, limit: 1, cut: 0 },
};
const state = (change: Partial<SetupState>): SetupState => ({
  ...NEW_SETUP,
  resolved: { state: "ready", value: resolved },
  preview: { state: "ready", value: preview },
  ...change,
});
const bad = (change: Partial<DataPreview>): Partial<SetupState> => ({
  preview: { state: "ready", value: { ...preview, ...change } },
});

describe("nextStep", () => {
  it("starts when nothing is missing", () => {
    expect(nextStep(state({}), true)).toEqual({ label: "Start training", section: null, ready: true });
  });

  it("leads to what would make it fit when the run is over its bound or the GPU's", () => {
    const plan = { parts: [], total: 5.12e9, budget: 4e9, tooLarge: true, notes: [] };
    expect(nextStep(state({ plan: { state: "ready", value: plan } }), true)).toEqual({
      label: "Needs 5.1 GB of 4.0 GB: make it fit",
      section: "memory",
      ready: false,
    });
    const within = { ...plan, total: 4e9, tooLarge: false };
    expect(nextStep(state({ plan: { state: "ready", value: within } }), true).ready).toBe(true);
    const error = { code: "gpu-out-of-memory" as const, message: "", details: {}, stack: "" };
    expect(nextStep(state({ plan: { state: "failed", error } }), true)).toMatchObject({
      label: "Too large for this GPU: make it fit",
      section: "memory",
    });
  });

  it("says what it fetches of a hub, asks before much data, and stops at a refusal", () => {
    const parts = [
      { what: "model", name: "a/b", bytes: 7 },
      { what: "data", name: "a/c, train", bytes: 100 * 1024 * 1024 },
    ] as const;
    const download = { state: "ready", value: { parts, total: 0 } } as const;
    const large = state({ download, preview: EMPTY });
    const bytes = parts[1].bytes;
    expect(nextStep(large, true)).toEqual({
      label: "Read the data",
      section: "data",
      ready: false,
      fetches: bytes,
    });
    const agreed = state({ download, agreed: agreementOf(download.value) });
    expect(nextStep(agreed, true)).toEqual({
      label: "Start training",
      section: null,
      ready: true,
      fetches: 7,
    });
    const refused = (code: "access-denied" | "config-invalid" | "network", details = {}) =>
      nextStep(
        state({ download: { state: "failed", error: { code, message: "", details, stack: "" } } }),
        true,
      );
    expect(refused("access-denied")).toMatchObject({ label: "Get access first", section: "model" });
    expect(refused("config-invalid", { key: "config_name" })).toMatchObject({
      label: "Choose a subset",
      section: "data",
    });
    expect(refused("access-denied", { what: "the dataset a/c" })).toMatchObject({ section: "data" });
    expect(refused("network")).toMatchObject({ label: "The hub did not answer", ready: false });
  });

  it.each([
    ["the device", state({}), false, "Needs WebGPU"],
    ["the settings", NEW_SETUP, true, "Checking settings…"],
    ["a model", state({ given: { model_name: null } }), true, "Choose a model"],
    ["data", state({ given: { dataset_name: "" } }), true, "Choose data"],
    [
      "a correct setting",
      state({
        resolved: {
          state: "ready",
          value: { ...resolved, issues: [{ path: "seed", message: "seed is negative." }] },
        },
      }),
      true,
      "Correct 1 setting",
    ],
    ["rows", state(bad({ rowCount: 0 })), true, "No usable rows: map the columns"],
    ["a decision on bad rows", state(bad({ problemTotal: 2 })), true, "Decide on 2 bad rows"],
  ] as const)("names %s when it is missing", (_what, setup, device, label) => {
    const step = nextStep(setup, device);
    expect(step.label).toBe(label);
    expect(step.ready).toBe(false);
  });

  it("asks for a reward where the list is empty, and leads to what is wrong with one", () => {
    expect(nextStep(state({ given: { rewards: [] } }), true)).toMatchObject({
      label: "Add a reward",
      section: "rewards",
    });
    const issues = [{ path: "rewards.0.params.pattern", message: "wrong" }];
    const wrong = state({ resolved: { state: "ready", value: { ...resolved, issues } } });
    expect(nextStep(wrong, true)).toMatchObject({ label: "Correct 1 setting", section: "rewards" });
  });

  it("starts with bad rows that are skipped", () => {
    expect(nextStep(state({ ...bad({ problemTotal: 2 }), skipBadRows: true }), true).ready).toBe(true);
  });

  it("does not start twice", () => {
    expect(nextStep(state({ starting: true }), true)).toMatchObject({ label: "Starting…", ready: false });
  });
});

describe("the document", () => {
  it("takes a setting back without a trace", () => {
    expect(withSetting({ seed: 1, batch_size: 2 }, "seed", undefined)).toEqual({ batch_size: 2 });
  });

  it("keeps null as a value of its own", () => {
    expect(withSetting({}, "max_steps", null)).toEqual({ max_steps: null });
  });

  it("gives a role to one column only", () => {
    expect(mappingWith({ q: "prompt", a: "completion" }, "title", "prompt")).toEqual({
      a: "completion",
      title: "prompt",
    });
  });

  it("takes a column out of the mapping", () => {
    expect(mappingWith({ q: "prompt", a: "completion" }, "a", null)).toEqual({ q: "prompt" });
  });
});
