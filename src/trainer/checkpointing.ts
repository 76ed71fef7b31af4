import type { Gpu } from "../gpu/device.ts";
import type { Tensor } from "../gpu/tensor.ts";
import type { CheckpointRecord, CheckpointStore } from "../host/host.ts";
import { type CheckpointState, openCheckpoint, saveCheckpoint } from "../storage/checkpoints.ts";
import type { Engine } from "./engine.ts";

/** Every tensor of a run that changes, by its name in the checkpoint. */
function changingTensors(engine: Engine): readonly (readonly [string, Tensor])[] {
  const pool = engine.pool.shards.map((shard, i) => [`params.${i}`, shard.params] as const);
  const moving = engine.model.reference?.moving ?? [];
  const reference = moving.map(({ own }, i) => [`reference.${i}`, own] as const);
  return [
    ...pool,
    ...reference,
    ...engine.optimizer.tensors,
    ["optimizer_state", engine.report.state] as const,
  ];
}

/** Reads the run's tensors back one at a time and writes them aside. Throws `storage-full`, `loss-not-finite`. */
export async function saveRun(
  store: CheckpointStore,
  run: string,
  engine: Engine,
  state: CheckpointState,
  files: readonly CheckpointRecord[],
): Promise<void> {
  const tensors = changingTensors(engine).map(([name, tensor]) => ({
    name,
    dtype: "U32",
    shape: [tensor.bytes / 4],
    bytes: async () => new Uint8Array(await engine.gpu.read(tensor)),
  }));
  await saveCheckpoint(store, run, { state, tensors, files });
}

/** Puts a checkpoint's tensors back, bit for bit. Throws `checkpoint-invalid`. */
export async function restoreRun(
  store: CheckpointStore,
  run: string,
  step: number,
  engine: Engine,
): Promise<CheckpointState> {
  const checkpoint = await openCheckpoint(store, run, step);
  for (const [name, tensor] of changingTensors(engine)) {
    const bytes = await checkpoint.tensor(name, { dtype: "U32", shape: [tensor.bytes / 4] });
    engine.gpu.upload(tensor, bytes);
  }
  await engine.gpu.idle();
  return checkpoint.state;
}

/** Only the trained parameters: what load_best_model_at_end brings back. */
export async function restoreParams(
  store: CheckpointStore,
  run: string,
  step: number,
  engine: Engine,
): Promise<void> {
  const checkpoint = await openCheckpoint(store, run, step);
  for (const [i, { params }] of engine.pool.shards.entries()) {
    upload(
      engine.gpu,
      params,
      await checkpoint.tensor(`params.${i}`, { dtype: "U32", shape: [params.bytes / 4] }),
    );
  }
  await engine.gpu.idle();
}

function upload(gpu: Gpu, tensor: Tensor, bytes: Uint8Array<ArrayBuffer>): void {
  gpu.upload(tensor, bytes);
}
