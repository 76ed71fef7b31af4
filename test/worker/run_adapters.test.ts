import "fake-indexeddb/auto";
import { beforeEach, describe, expect, it } from "vitest";
import { exportYaml } from "../../src/config/export_yaml.ts";
import type { CheckpointRecord, Host } from "../../src/host/host.ts";
import { type Database, openDatabase, type RunRecord } from "../../src/storage/database.ts";
import { indexedCheckpoints, keptSteps } from "../../src/storage/indexed_checkpoints.ts";
import { putRun } from "../../src/storage/runs.ts";
import { runList } from "../../src/worker/history.ts";
import { refuseIfNeeded, settleRunAdapter, withRunAdapters } from "../../src/worker/run_adapters.ts";
import { requireConfig } from "../../src/worker/settings.ts";

let database: Database;
let count = 0;
beforeEach(async () => {
  count += 1;
  database = await openDatabase(`run-adapters-${count}`);
});

const text = (name: string, content: string): CheckpointRecord => ({
  name,
  bytes: new TextEncoder().encode(content),
});
async function* records(...list: readonly CheckpointRecord[]) {
  for (const record of list) yield await Promise.resolve(record);
}
const run = (id: string, config = ""): RunRecord => ({
  ...{ id, name: `run-${id}`, algorithm: "sft", model: "tiny", dataset: "ahoy", config },
  ...{ status: "finished", step: 9, maxSteps: 9, created: 1, updated: 1 },
  ...{ heroMetric: null, bestStep: null, pinned: false, error: null },
});

/** A host with two checkpoints of an adapter, and one of a whole model. */
async function open() {
  const checkpoints = indexedCheckpoints(database, () => 1);
  for (const step of [3, 9]) {
    const files = [text("adapter_config.json", `{"step":${step}}`), text("adapter_model.safetensors", "x")];
    await checkpoints.save("a", step, records(...files, text("manifest.json", "{}")));
  }
  await checkpoints.save("whole", 5, records(text("manifest.json", "{}")));
  const missing = (name: string) => Promise.reject(new Error(`asked for ${name}`));
  const host: Host = {
    ...{ openModel: missing, openDataset: missing, openAdapter: missing, checkpoints },
    ...{
      now: () => 0,
      log: () => {},
      readText: missing,
      pathBeside: missing,
      userCode: { open: () => missing("code") },
    },
  };
  return withRunAdapters(host);
}

describe("the adapter of an earlier run", () => {
  it("is that of its last checkpoint, or of the one that is named", async () => {
    const host = await open();
    const read = async (name: string) => {
      const file = await (await host.openAdapter(name)).open("adapter_config.json");
      return file && new TextDecoder().decode(await file.read(0, file.size));
    };
    expect(await read("run:a")).toBe('{"step":9}');
    expect(await read("run:a@3")).toBe('{"step":3}');
    const folder = await host.openAdapter("run:a@3");
    expect(await folder.list()).toEqual(["adapter_config.json", "adapter_model.safetensors"]);
    expect(await folder.open("manifest.json")).toBeUndefined();
  });

  it("is missed in words when the run is gone, or trained the whole model", async () => {
    const host = await open();
    await expect(host.openAdapter("run:gone")).rejects.toMatchObject({ code: "file-missing" });
    await expect(host.openAdapter("run:whole")).rejects.toMatchObject({ code: "file-missing" });
  });

  it("leaves other names to the host", async () => {
    const host = await open();
    await expect(host.openAdapter("my-adapter")).rejects.toThrow("asked for my-adapter");
  });

  it("is named with its step when a run starts from it, and kept from then on", async () => {
    const { checkpoints } = await open();
    expect(await settleRunAdapter(checkpoints, database, "run:a")).toBe("run:a@9");
    expect(await keptSteps(database, "a")).toEqual([9]);
    expect(await settleRunAdapter(checkpoints, database, "my-adapter")).toBe("my-adapter");
    expect(await settleRunAdapter(checkpoints, database, null)).toBeNull();
    await expect(settleRunAdapter(checkpoints, database, "run:a@4")).rejects.toMatchObject({
      code: "checkpoint-invalid",
    });
  });

  it("cannot be deleted while another run needs it", async () => {
    await open();
    const given = { algorithm: "dpo", model_name: "m", dataset_name: "d", adapter_name_or_path: "run:a@9" };
    const { config } = await requireConfig({ given, recipe: null });
    await putRun(database, run("a"));
    await putRun(database, run("b", exportYaml({ ...config })));
    await expect(refuseIfNeeded(database, "a", null)).rejects.toMatchObject({ details: { runs: ["b"] } });
    await expect(refuseIfNeeded(database, "a", 9)).rejects.toMatchObject({ code: "config-invalid" });
    await expect(refuseIfNeeded(database, "a", 3)).resolves.toBeUndefined();
    await expect(refuseIfNeeded(database, "b", null)).resolves.toBeUndefined();
  });

  it("is offered with the run's summary, and none of a run without one", async () => {
    await open();
    await putRun(database, run("a"));
    await putRun(database, run("whole"));
    const runs = await runList(database, () => undefined);
    expect(new Map(runs.map(({ id, adapterStep }) => [id, adapterStep]))).toEqual(
      new Map([
        ["a", 9],
        ["whole", null],
      ]),
    );
  });
});
