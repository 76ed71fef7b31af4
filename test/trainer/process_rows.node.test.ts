import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { createSftTrainer } from "../../src/api/create_trainer.ts";
import type { SftConfig } from "../../src/config/fields.ts";
import { readSettings } from "../../src/config/read_settings.ts";
import { resolveOrThrow } from "../../src/config/resolve.ts";
import { createNodeHost } from "../../src/host/node.ts";
import { loadDataset } from "../../src/trainer/load_dataset.ts";

const dir = await mkdtemp(join(tmpdir(), "rows-"));
afterAll(() => rm(dir, { recursive: true }));

const logged: string[] = [];
const host = createNodeHost({
  publicDir: join(import.meta.dirname, "../../public"),
  runDir: () => dir,
  log: (level, message) => logged.push(`${level}: ${message}`),
});

/** Line 2 is blank, so that lines and rows differ. */
await writeFile(join(dir, "rows.jsonl"), '{"q":"one","a":"1"}\n\n{"q":"two","a":"2"}\n{"q":"","a":"3"}\n');
await writeFile(
  join(dir, "prep.js"),
  "export function clean(row, { suffix = '' }) {\n  return { question: row.q + suffix, response: row.a };\n}\n\nexport function strict(row) {\n  if (row.q === '') throw new RangeError('empty question');\n  return {};\n}\n",
);

async function load(settings: Record<string, unknown>) {
  const given = { algorithm: "sft", model_name: "m", dataset_name: join(dir, "rows.jsonl"), ...settings };
  const { config } = resolveOrThrow({ override: readSettings(given) });
  return loadDataset(host, config as SftConfig, true, false);
}

describe("processing_fn", () => {
  it("runs a function of a file before columns are mapped, with its arguments", async () => {
    const { file, set } = await load({
      processing_fn: `${join(dir, "prep.js")}#clean`,
      processing_fn_kwargs: { suffix: "?" },
      column_mapping: { question: "prompt", response: "completion" },
    });
    expect(file.columns).toEqual(["q", "a", "question", "response"]);
    expect(file.rows[1]).toEqual({ q: "two", a: "2", question: "two?", response: "2" });
    expect(set.examples[1]).toMatchObject({ prompt: "two?" });
  });

  it("runs code in the configuration, and logs what it prints", async () => {
    logged.length = 0;
    const { file } = await load({
      processing_fn: "(row) => { console.log(row.q); return { prompt: row.q || '-', completion: row.a }; }",
    });
    expect(file.rows[2]).toMatchObject({ prompt: "-", completion: "3" });
    expect(logged).toEqual(["info: processing_fn: one", "info: processing_fn: two", "info: processing_fn: "]);
  });

  it("calls a function of the program in place, with columns of lists when asked to", async () => {
    const seen: unknown[] = [];
    const { file } = await load({
      processing_fn: (rows: { q: string[]; a: string[] }) => {
        seen.push(rows);
        return { prompt: rows.q.map((q) => q || "-"), completion: rows.a };
      },
      processing_batched: true,
    });
    expect(seen).toEqual([{ q: ["one", "two", ""], a: ["1", "2", "3"] }]);
    expect(file.rows[0]).toMatchObject({ prompt: "one", completion: "1" });
  });

  it("names the line of the code and of the file", async () => {
    await expect(load({ processing_fn: `${join(dir, "prep.js")}#strict` })).rejects.toMatchObject({
      code: "user-code-failed",
      message: expect.stringMatching(
        /prep\.js#strict, line 6: RangeError: empty question\. It was given rows\.jsonl line 4\.$/,
      ),
      details: { line: 6, file: "rows.jsonl", fileLine: 4 },
    });
  });

  it("says which file or function is not there", async () => {
    await expect(load({ processing_fn: "none.js" })).rejects.toMatchObject({ code: "file-missing" });
    await expect(load({ processing_fn: `${join(dir, "prep.js")}#none` })).rejects.toThrow(
      /It defines no function none/,
    );
  });

  it("is given by a program to createSftTrainer", async () => {
    const trainer = await createSftTrainer({
      ...{ host, model_name: "aligntune-tiny", dataset_name: "ahoy", run: "processed" },
      ...{ max_steps: 1, batch_size: 2, max_seq_length: 64, max_samples: 8, val_split_ratio: 0 },
      processing_fn: () => ({
        messages: [
          { role: "user", content: "Hi" },
          { role: "assistant", content: "Ho" },
        ],
      }),
    });
    try {
      expect(await trainer.train()).toMatchObject({ state: "done", step: 1 });
    } finally {
      trainer.close();
    }
  });
});
