import type { AdapterModule } from "../formats/adapter.ts";
import { invariant } from "../lib/errors.ts";
import { peftKey } from "../model/lora.ts";
import { projectionsOf } from "../model/spec.ts";
import type { Engine } from "../trainer/engine.ts";

/** The trained adapter module by module, read back from the GPU, in the order of the model. */
export async function peftModules(engine: Engine): Promise<AdapterModule[]> {
  const values = await engine.pool.read(engine.gpu, "params");
  return projectionsOf(engine.spec).flatMap(({ module, inputs, outputs }) => {
    const a = values.get(peftKey(module, "A"));
    const b = values.get(peftKey(module, "B"));
    if (!a) return [];
    invariant(b, `${module} has A but no B`);
    return [{ path: module, inSize: inputs, outSize: outputs, a: a.data, b: b.data }];
  });
}
