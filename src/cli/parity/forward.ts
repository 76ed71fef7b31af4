import { planPrograms } from "../../gpu/program.ts";
import { Recorder } from "../../gpu/recorder.ts";
import { ZERO_STEP } from "../../gpu/step.ts";
import { profileFor } from "../../kernels/profile.ts";
import { BatchTables } from "../../model/batch_tables.ts";
import { uploadRope } from "../../model/context.ts";
import { loadFrozen } from "../../model/loaded_model.ts";
import { recordLogits } from "../../model/logits.ts";
import { longFrom } from "../../model/spec.ts";
import type { Comparison } from "./compare.ts";
import { type GoldenCase, integers, unpad } from "./golden_case.ts";
import { batchRows, type Mode, type Subject } from "./subject.ts";

/** logits (B, T, V) of the case, zero at padding. */
export async function forwardLogits(
  subject: Subject,
  golden: GoldenCase,
  mode: Mode,
): Promise<ReadonlyMap<string, Float32Array>> {
  const { gpu, model, spec, adapter } = subject;
  const ids = await integers(golden.inputs, "input_ids");
  const rows = unpad(ids, await integers(golden.inputs, "attention_mask"));
  const profile = profileFor(gpu.capabilities);
  const N = rows.reduce((sum, row) => sum + row.ids.length, 0);
  const capacity = { N, M: N, R: rows.length };
  const loaded = await loadFrozen(gpu, { model, spec, adapter, baseFormat: mode.baseFormat });
  const tables = new BatchTables(gpu, capacity, { tile: profile.attentionTile, long: longFrom(spec) });
  const rope = uploadRope(gpu, spec, Math.max(...rows.map((row) => row.span)));
  const recorder = new Recorder("logits");
  const shared = { recorder, profile, spec, rope, capacity, tables: tables.tensors, ...loaded };
  const parts = recordLogits({ ...shared, gradOf: () => undefined, noisy: false });
  const [program] = await planPrograms(gpu, [recorder]);
  program?.execute({ ...ZERO_STEP, ...tables.fill(batchRows(rows, 1)) });

  const [B = 0, T = 0] = ids.shape;
  const logits = new Float32Array(B * T * spec.vocab);
  for (const { tensor, firstColumn, columns } of parts) {
    const values = await gpu.readFloats(tensor);
    let n = 0;
    rows.forEach((row, b) => {
      for (const t of row.columns) {
        const target = (b * T + t) * spec.vocab + firstColumn;
        for (let v = 0; v < columns; v++)
          logits[target + v] = softcap(values[n * columns + v] ?? 0, spec.finalSoftcap);
        n += 1;
      }
    });
  }
  return new Map([["logits", logits]]);
}

function softcap(x: number, cap: number): number {
  return cap === 0 ? x : cap * Math.tanh(x / cap);
}

export async function checkForward(
  subject: Subject,
  golden: GoldenCase,
  mode: Mode,
  comparison: Comparison,
): Promise<void> {
  const actual = await forwardLogits(subject, golden, mode);
  await comparison.tensors(golden.expected, (name) => actual.get(name));
}
