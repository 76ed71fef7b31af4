import { describe, expect, it } from "vitest";
import type { CheckpointRecord, CheckpointStore } from "../../src/host/host.ts";
import { Random } from "../../src/lib/random.ts";
import * as checkpoints from "../../src/storage/checkpoints.ts";
import { memoryCheckpoints } from "../../src/storage/memory_checkpoints.ts";

const state: checkpoints.CheckpointState = {
  step: 40,
  config: "algorithm: grpo\nseed: 42\n",
  random: { seed: 42, counters: { data: 9007199254740991, sampling: 7 } },
  data: { epoch: 0.1 + 0.2, row: 17 },
  scheduler: { step: 40 },
  metrics: { rows: 40 },
  kernels: { matmul: "64x64" },
};

function noise(length: number, seed: number) {
  const random = new Random(seed);
  return Uint8Array.from({ length }, () => random.integer(256));
}

function tensor(name: string, length: number, seed: number): checkpoints.CheckpointTensor {
  return { name, dtype: "U8", shape: [length], bytes: () => noise(length, seed) };
}

async function recordsOf(store: CheckpointStore, content: checkpoints.CheckpointContent, size: number) {
  const sizes = new Map<string, number>();
  const spy: CheckpointStore = {
    ...store,
    save: async (run, step, records) => {
      const seen: CheckpointRecord[] = [];
      for await (const record of records) {
        sizes.set(record.name, record.bytes.length);
        seen.push(record);
      }
      await store.save(
        run,
        step,
        (async function* all() {
          yield* await Promise.resolve(seen);
        })(),
      );
    },
  };
  await checkpoints.saveCheckpoint(spy, "run", content, size);
  return sizes;
}

describe("a checkpoint", () => {
  it.each([1, 7, 64, 1000, 1 << 20])("gives back every bit, in records of %d bytes", async (size) => {
    const store = memoryCheckpoints();
    const tensors = [
      tensor("a", 100, 1),
      tensor("empty", 0, 2),
      tensor("b.lora_A", 64, 3),
      tensor("c", 129, 4),
    ];
    const files = [{ name: "adapter_config.json", bytes: noise(30, 5) }];
    const sizes = await recordsOf(store, { state, tensors, files }, size);
    const packed = [...sizes].filter(([name]) => name.startsWith("tensors-")).map(([, length]) => length);
    expect(Math.max(...packed)).toBeLessThanOrEqual(size);
    expect(packed).toHaveLength(Math.ceil(293 / size));
    expect([...sizes.keys()].at(-1)).toBe("manifest.json");

    const open = await checkpoints.openCheckpoint(store, "run", 40);
    expect(open.state).toEqual(state);
    expect(open.tensorNames).toEqual(["a", "empty", "b.lora_A", "c"]);
    expect(await open.tensor("c", { dtype: "U8", shape: [129] })).toEqual(noise(129, 4));
    expect(await open.tensor("a")).toEqual(noise(100, 1));
    expect(await open.tensor("empty")).toEqual(new Uint8Array());
    expect(await open.tensor("b.lora_A")).toEqual(noise(64, 3));
    expect(open.fileNames).toEqual(["adapter_config.json"]);
    expect(await open.file("adapter_config.json")).toEqual(noise(30, 5));
  });

  it("can be carried to another store", async () => {
    const [from, to] = [memoryCheckpoints(), memoryCheckpoints()];
    const files = [{ name: "trainer_state.json", bytes: noise(9, 1) }];
    await checkpoints.saveCheckpoint(from, "run", { state, tensors: [tensor("a", 100, 1)], files }, 64);
    await to.save("again", 40, checkpoints.checkpointRecords(from, "run", 40));
    const open = await checkpoints.openCheckpoint(to, "again", 40);
    expect(await open.tensor("a")).toEqual(noise(100, 1));
    expect(await open.file("trainer_state.json")).toEqual(noise(9, 1));
    await expect(to.save("x", 1, checkpoints.checkpointRecords(from, "run", 1))).rejects.toMatchObject({
      code: "checkpoint-invalid",
    });
  });

  it("asks for one tensor at a time, in order", async () => {
    const asked: string[] = [];
    async function* tensors() {
      for (const name of ["x", "y"]) {
        asked.push(`make ${name}`);
        yield await Promise.resolve({
          name,
          dtype: "U8",
          shape: [2],
          bytes: () => noise(2, asked.push(`read ${name}`)),
        });
      }
    }
    await checkpoints.saveCheckpoint(memoryCheckpoints(), "run", { state, tensors: tensors() }, 2);
    expect(asked).toEqual(["make x", "read x", "make y", "read y"]);
  });

  it("is refused when it is not there, of another format, or does not fit the run", async () => {
    const store = memoryCheckpoints();
    await expect(checkpoints.openCheckpoint(store, "run", 1)).rejects.toMatchObject({
      code: "checkpoint-invalid",
    });
    await checkpoints.saveCheckpoint(store, "run", { state, tensors: [tensor("a", 8, 1)] });
    const open = await checkpoints.openCheckpoint(store, "run", 40);
    await expect(open.tensor("b")).rejects.toThrow("it has no tensor b");
    await expect(open.tensor("toString")).rejects.toThrow("it has no tensor toString");
    await expect(open.tensor("a", { dtype: "U8", shape: [2, 4] })).rejects.toThrow(
      "a is U8 [8]; this run needs U8 [2, 4]",
    );
    await expect(open.file("none")).rejects.toMatchObject({ code: "checkpoint-invalid" });
    const newer = new TextEncoder().encode('{"format":2}');
    await store.save(
      "run",
      41,
      (async function* only() {
        yield await Promise.resolve({ name: "manifest.json", bytes: newer });
      })(),
    );
    await expect(checkpoints.openCheckpoint(store, "run", 41)).rejects.toThrow("it has format 2");
  });

  it("is not written with numbers that JSON would lose, or with a tensor given twice", async () => {
    const store = memoryCheckpoints();
    const odd = { state: { ...state, data: { cursor: Number.NaN } }, tensors: [] };
    await expect(checkpoints.saveCheckpoint(store, "run", odd)).rejects.toThrow(
      "cursor of the state is finite",
    );
    const twice = { state, tensors: [tensor("a", 1, 1), tensor("a", 1, 1)] };
    await expect(checkpoints.saveCheckpoint(store, "run", twice)).rejects.toThrow("saved once");
    expect(await store.steps("run")).toEqual([]);
  });
});

describe("pruning", () => {
  it.each<[number[], number | null, number[], number[]]>([
    [[10, 20, 30], null, [], []],
    [[10, 20, 30], 2, [], [10]],
    [[30, 10, 20], 1, [], [20, 10]],
    [[10, 20, 30], 1, [10], [20]],
    [[10, 20, 30], 0, [], [20, 10]],
    [[10, 20, 30], 5, [], []],
    [[], 1, [], []],
  ])("of %j to %j keeping %j deletes %j", (steps, limit, keep, deleted) => {
    expect(checkpoints.stepsToPrune(steps, limit, keep)).toEqual(deleted);
  });

  it("removes the oldest from the store", async () => {
    const store = memoryCheckpoints();
    for (const step of [1, 2, 3, 4]) {
      await checkpoints.saveCheckpoint(store, "run", { state: { ...state, step }, tensors: [] });
    }
    expect(await checkpoints.pruneCheckpoints(store, "run", 1, [2])).toEqual([1, 3]);
    expect(await store.steps("run")).toEqual([2, 4]);
  });
});
