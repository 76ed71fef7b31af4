import { describe, expect, it } from "vitest";
import { isConfigJson, recognise } from "../../src/ui/import/recognise.ts";
import { cellText, columnsOf, rolesGiven, statusOf, withMapping } from "../../src/ui/setup/data_status.ts";
import { endingOf } from "../../src/ui/setup/pasted.ts";

const file = (name: string, text = "x"): File => new File([text], name);
const kindOf = async (...files: readonly File[]): Promise<string> => (await recognise(files)).kind;

describe("recognise", () => {
  it.each([
    ["run.yaml", "config"],
    ["RUN.YML", "config"],
    ["rows.jsonl", "dataset"],
    ["rows.csv", "dataset"],
    ["story.txt", "dataset"],
    ["adapter.zip", "unknown"],
    ["noending", "unknown"],
  ])("takes %s as %s", async (name, kind) => expect(await kindOf(file(name))).toBe(kind));

  it("tells a JSON configuration from JSON rows", async () => {
    expect(await kindOf(file("a.json", '{"algorithm": "sft"}'))).toBe("config");
    expect(await kindOf(file("a.json", '[{"prompt": "a"}]'))).toBe("dataset");
    expect(await kindOf(file("a.json", '{"prompt": "a"}\n{"prompt": "b"}'))).toBe("dataset");
    expect(await kindOf(file("a.json", '{"data": [{"prompt": "a"}]}'))).toBe("dataset");
  });

  it("takes several data files as a folder of data, without the files about it", async () => {
    const found = await recognise([
      file("train.jsonl"),
      file("test.csv"),
      file("README.md"),
      file("LICENSE.txt"),
    ]);
    expect(found).toMatchObject({ kind: "data folder", name: "dropped-data" });
    expect(found.kind === "data folder" && found.files.map(({ name }) => name)).toEqual([
      "train.jsonl",
      "test.csv",
    ]);
    expect(await kindOf(file("run.yaml"), file("other.yaml"))).toBe("unknown");
    expect(await kindOf(file("a.png"), file("b.png"))).toBe("unknown");
    const only = file("test.jsonl");
    const files = [only, file("README.md"), file("LICENSE.txt"), file(".gitattributes")];
    expect(await recognise(files)).toEqual({ kind: "dataset", file: only });
  });

  it("takes weights with their configuration as a model, and says what is missing otherwise", async () => {
    expect(await kindOf(file("config.json"), file("model.safetensors"))).toBe("model");
    const alone = await recognise([file("model.safetensors")]);
    expect(alone).toMatchObject({ kind: "unknown", why: expect.stringContaining("config.json") });
  });

  it("says what a file is that cannot be opened, and what can", async () => {
    const found = await recognise([file("model.gguf")]);
    expect(found).toMatchObject({ kind: "unknown", why: expect.stringMatching(/GGUF.*JSONL/s) });
  });

  it("looks at a broken configuration rather than refusing it", () => {
    expect(isConfigJson('{"algorithm": "sft",}')).toBe(true);
  });
});

describe("pasted rows", () => {
  it.each([
    ['{"a": 1}', "jsonl"],
    ['[{"a": 1}]', "json"],
    ["question,answer\nWho?,Tom", "csv"],
    ["question\tanswer\nWho?\tTom", "tsv"],
    ["Once upon a time, there was", "txt"],
    ["Well, well.\nIt rained, again.", "txt"],
  ])("%j is read as %s", (text, ending) => expect(endingOf(text)).toBe(ending));
});

describe("cellText", () => {
  it("shows the turns of a chat as lines", () => {
    expect(cellText('[{"role":"user","content":"Hi"},{"role":"assistant","content":"Ho"}]')).toBe(
      "user: Hi\nassistant: Ho",
    );
  });

  it("leaves anything else alone", () => {
    for (const cell of ["plain", '[{"x":1}]', "[{broken"]) expect(cellText(cell)).toBe(cell);
  });
});

describe("the roles of columns", () => {
  it("are read from a mapping in either direction", () => {
    const columns = ["q", "a"];
    expect(rolesGiven({ q: "prompt" }, columns)).toEqual({ q: "prompt", a: "a" });
    expect(rolesGiven({ prompt: "q" }, columns)).toEqual({ q: "prompt", a: "a" });
    expect(rolesGiven(null, columns)).toEqual({ q: "q", a: "a" });
  });

  it("can be given where no row could be read, when the error names the columns", () => {
    expect(columnsOf({ columns: ["q", 3, "a"] })).toEqual(["q", "a"]);
    expect(columnsOf({})).toEqual([]);
  });

  it("are named in one sentence", () => {
    const data = {
      name: "d",
      rowCount: 2,
      lookedAt: 2,
      columns: ["q", "answer", "id"],
      roles: { q: "prompt", answer: "answer", id: "id" },
      format: "prompt with answer",
      mappingDirection: null,
      rows: [],
      problems: [],
      problemTotal: 0,
      notes: [],
      splits: { train: 2, validation: 0, test: 0 },
      sources: [],
      lengths: { bins: [], max: 1, limit: 1, cut: 0 },
    };
    expect(statusOf(data, "examples")).toEqual({
      ready: true,
      text: "Ready, read as prompt with answer: q → prompt, answer.",
    });
    expect(statusOf({ ...data, rowCount: 0 }, "examples").ready).toBe(false);
    expect(withMapping({ ...data, roles: {} }, { completion: "q" }).roles).toEqual({
      q: "completion",
      answer: "answer",
      id: "id",
    });
  });
});

describe("an adapter", () => {
  it("is known by its two files, and by its folder's name where the browser tells it", async () => {
    const files = ["adapter_config.json", "adapter_model.safetensors"].map((name) => new File(["{}"], name));
    expect(await recognise(files)).toEqual({ kind: "adapter", name: "dropped-adapter", files });
  });
});
