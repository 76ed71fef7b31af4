import { describe, expect, it } from "vitest";
import type { DownloadPlan } from "../../src/protocol/setup.ts";
import { agreementOf, fetchedAtStart, hubNames, toAgree } from "../../src/store/hub.ts";
import { byFile } from "../../src/store/requests.ts";

const catalog = {
  models: [{ id: "tiny", label: "", summary: "", parameters: 1, bytes: 1, licence: "" }],
  datasets: [{ id: "ahoy", label: "", summary: "", data: "examples" as const, rows: 1, bytes: 1 }],
};
const MB = 1024 * 1024;
const plan = (bytes: number): DownloadPlan => ({
  parts: [
    { what: "model", name: "a/b", bytes: 5 },
    { what: "adapter", name: "a/c", bytes: 2 },
    { what: "data", name: "a/d, train", bytes },
  ],
  total: 7 + bytes,
});

describe("the names of a document that are the hub's", () => {
  it("are none for what the page ships and for picked files", () => {
    const file = new File([], "rows");
    expect(hubNames({ model_name: "tiny", dataset_name: "ahoy" }, {}, catalog)).toEqual([]);
    expect(hubNames({ model_name: "./mine", dataset_name: "rows.jsonl" }, {}, catalog)).toEqual([]);
    expect(hubNames({ dataset_name: "rows" }, { dataset: file }, catalog)).toEqual([]);
    expect(hubNames({ adapter_name_or_path: "run:1@2" }, {}, catalog)).toEqual([]);
    expect(hubNames({ model_name: null, dataset_name: "" }, {}, catalog)).toEqual([]);
  });

  it("are models, datasets and adapters of that form", () => {
    const values = { model_name: "Qwen/Qwen3-0.6B", dataset_name: "gsm8k", reward_model_name: "a/b@v1" };
    expect(hubNames(values, {}, catalog)).toEqual(["Qwen/Qwen3-0.6B", "gsm8k", "a/b@v1"]);
    const more = {
      dataset_name: "ahoy",
      more_datasets: [{ name: "a/more" }, { name: "ahoy" }, { name: "" }],
    };
    expect(hubNames(more, {}, catalog)).toEqual(["a/more"]);
  });
});

describe("data of the hub", () => {
  it("is read without a question when it is small, and else after a yes to this data", () => {
    expect(toAgree(plan(64 * MB), null)).toBe(0);
    const large = plan(65 * MB);
    expect(toAgree(large, null)).toBe(65 * MB);
    expect(toAgree(large, agreementOf(large))).toBe(0);
    expect(toAgree(plan(66 * MB), agreementOf(large))).toBe(66 * MB);
    expect(fetchedAtStart(large)).toBe(7);
  });
});

describe("what is on this device already", () => {
  it("is not downloaded again, and not asked about", () => {
    const parts = [
      { what: "model", name: "a/b", bytes: 5, stored: 3 },
      { what: "data", name: "a/d, train", bytes: 65 * MB, stored: 65 * MB },
    ] as const;
    expect(fetchedAtStart({ parts, total: 0 })).toBe(2);
    expect(toAgree({ parts, total: 0 }, null)).toBe(0);
  });
});

describe("requests that were made", () => {
  it("are listed by file, with parts counted", () => {
    const made = [
      { url: "https://hub.example/a/x?part=1", bytes: 0 },
      { url: "https://hub.example/a/x", bytes: 3 },
      { url: "https://hub.example/b/x", bytes: 1 },
      { url: "blob:https://hub.example/1", bytes: 9 },
      { url: "http://localhost/", bytes: 2 },
    ];
    expect(byFile(made)).toEqual([
      { name: "x", path: "/a/x", host: "hub.example", bytes: 3, requests: 2 },
      { name: "x", path: "/b/x", host: "hub.example", bytes: 1, requests: 1 },
      { name: "/", path: "/", host: "localhost", bytes: 2, requests: 1 },
    ]);
  });
});
