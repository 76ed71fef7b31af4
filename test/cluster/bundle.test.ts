import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { clusterBundle } from "../../src/cluster/bundle.ts";
import { pythonLiteral } from "../../src/cluster/python_literal.ts";
import { parseConfig } from "../../src/config/parse_config.ts";
import { readSettings } from "../../src/config/read_settings.ts";
import { resolve, resolveOrThrow } from "../../src/config/resolve.ts";
import { bundleOf, RUNS, textsOf } from "./bundles.ts";

/** What scripts/check_cluster.py wrote: of the files that the real trl ran, and of what it logged. */
interface Recorded {
  readonly files: Readonly<Record<string, string>>;
  readonly yaml: unknown;
  readonly log: readonly Readonly<Record<string, number>>[];
}

// `BUNDLES_TO=DIR vitest run ...` writes the bundles for scripts/check_cluster.py.
const out = process.env["BUNDLES_TO"];

describe.each(Object.keys(RUNS))("the bundle of %s", (name) => {
  const recorded = JSON.parse(
    readFileSync(new URL(`recorded/${name}.json`, import.meta.url), "utf8"),
  ) as Recorded;

  it("is what the real trl ran for two steps", async () => {
    const texts = await textsOf(await bundleOf(name));
    for (const [file, text] of out === undefined ? [] : texts) {
      const path = join(out ?? "", name, file);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    }
    const hashes = Object.fromEntries(
      [...texts].map(([file, text]) => [file, createHash("sha256").update(text).digest("hex")]),
    );
    const { "training_config.yaml": _yaml, ...run } = recorded.files;
    expect(hashes).toMatchObject(run);
    expect(recorded.log.map(({ step }) => step)).toEqual([1, 2]);
    expect(recorded.log.every(({ loss }) => Number.isFinite(loss))).toBe(true);
  });

  it("has a YAML that PyYAML reads with the same values, and this program as the same run", async () => {
    const text = (await textsOf(await bundleOf(name))).get("training_config.yaml") ?? "";
    // A setting that is newer than the record may be there beside what was read.
    expect(parse(text)).toMatchObject(recorded.yaml as object);
    const { config, issues } = resolve({ file: parseConfig(text) });
    expect(issues).toEqual([]);
    expect(config).toMatchObject({ dataset_name: "data/train.jsonl", adapter_name_or_path: "adapter" });
  });
});

describe("clusterBundle", () => {
  it("has no script where TRL cannot do the same, and says why", async () => {
    const { files, notes } = await bundleOf("dapo", {
      rewards: [{ type: "custom", name: "mine", code: "(text) => text.length" }],
    });
    expect(files.map(({ name }) => name)).not.toContain("train.py");
    expect(notes.join(" ")).toContain("the reward mine is JavaScript");
    const ppo = await bundleOf("dapo", { algorithm: "ppo", num_generations: undefined });
    expect(ppo.files.map(({ name }) => name)).not.toContain("train.py");
    expect(ppo.notes.join(" ")).toContain("no PPO trainer");
  });

  it("says what TRL does differently", async () => {
    const { notes } = await bundleOf("dapo");
    expect(notes.join(" ")).toContain("dynamic_sampling: TRL does not sample again");
  });

  it("says enable_thinking with each row of SFT, and once for all of a method with rewards", async () => {
    const rows = async (name: string) =>
      (await textsOf(await bundleOf(name, { enable_thinking: false }))).get("data/train.jsonl");
    expect(await rows("sft")).toContain('"chat_template_kwargs":{"enable_thinking":false}');
    expect(await rows("dapo")).not.toContain("chat_template_kwargs");
    const settings = (await textsOf(await bundleOf("dapo", { enable_thinking: false }))).get("settings.py");
    expect(settings).toContain('"enable_thinking": False');
  });

  it("makes the overlong penalty a reward, as TRL has it", async () => {
    const settings = (await textsOf(await bundleOf("dapo"))).get("settings.py");
    expect(settings).toContain('"type": "soft_overlong_punishment"');
  });

  it("has the code of a file in its YAML, because the file stays behind", async () => {
    const file = "def short(text, **kwargs):\n    return 1.0\n";
    const rewards = [{ type: "custom", name: "short", file: "mine.py", function: "short" }];
    const bundle = await bundleOf("dapo", { rewards }, async () => file);
    const { config, issues } = resolve({
      file: parseConfig((await textsOf(bundle)).get("training_config.yaml") ?? ""),
    });
    expect(issues).toEqual([]);
    expect(config).toMatchObject({ rewards: [{ code: file, language: "python", function: "short" }] });
  });

  it("refuses a run on recorded rollouts", async () => {
    const { config } = resolveOrThrow({ override: readSettings({ ...RUNS["dapo"]?.settings }) });
    const none = { config, rows: undefined, files: [], totalSteps: 2, readText: () => Promise.resolve("") };
    await expect(clusterBundle(none)).rejects.toMatchObject({ code: "config-invalid" });
  });
});

describe("pythonLiteral", () => {
  it.each([
    [null, "None"],
    [true, "True"],
    [1e-8, "1e-8"],
    [-0, "-0.0"],
    ['a\n"b" \u2028 \ud83d\ude00', '"a\\n\\"b\\" \\u2028 \\ud83d\\ude00"'],
    [[], "[]"],
    [{}, "{}"],
    [[1, [null]], "[1, [None]]"],
  ])("writes %j as %s", (value, text) => expect(pythonLiteral(value)).toBe(text));

  it("refuses what has none", () => expect(() => pythonLiteral(Number.NaN)).toThrow(RangeError));
});
