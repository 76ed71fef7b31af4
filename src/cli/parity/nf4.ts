import { dequantizeNf4Blocks, nf4Blocks } from "../../formats/nf4.ts";
import type { Comparison } from "./compare.ts";
import type { GoldenCase } from "./golden_case.ts";

/** Codes, block scales and dequantised values of one weight, without double quantisation. */
export async function checkNf4(golden: GoldenCase, comparison: Comparison): Promise<void> {
  const weight = golden.inputs.get("weight");
  if (!weight) throw new Error("the case has no input weight");
  const blocks = nf4Blocks(await weight.floats());
  for (const [name, source] of golden.expected) {
    if (name === "codes") comparison.equal(name, blocks.codes, await source.bytes());
    else if (name === "absmax") comparison.tensor(name, blocks.absmax, await source.floats());
    else if (name === "dequantized")
      comparison.tensor(name, dequantizeNf4Blocks(blocks), await source.floats());
    else comparison.tensor(name, undefined, [1]);
  }
}
