import { readFileSync } from "node:fs";
import { readSafetensors } from "../../src/formats/safetensors.ts";
import { assetOf } from "../data/support/files.ts";

/** The numbers of a golden case: params of case.json, and tensors of both files as flat float lists with their widths. */
export interface GoldenCase {
  readonly params: Readonly<Record<string, unknown>>;
  readonly expected: Readonly<Record<string, number>>;
  rows(name: string): Promise<number[][]>;
}

export function goldenCase(name: string): GoldenCase {
  const path = (file: string) => new URL(`../golden/cases/${name}/${file}`, import.meta.url);
  const info = JSON.parse(readFileSync(path("case.json"), "utf8")) as Pick<GoldenCase, "params" | "expected">;
  return {
    ...info,
    async rows(tensor) {
      for (const file of ["inputs.safetensors", "expected.safetensors"]) {
        const { tensors } = await readSafetensors(assetOf(file, readFileSync(path(file))));
        const found = tensors.get(tensor);
        if (!found) continue;
        const [rows = 1, width = 1] = found.shape;
        // A copy of its own: the file's buffer may begin elsewhere.
        const bytes = Uint8Array.from(await found.bytes());
        const values = found.dtype === "I32" ? new Int32Array(bytes.buffer) : new Float32Array(bytes.buffer);
        return Array.from({ length: rows }, (_, i) => [...values.subarray(i * width, (i + 1) * width)]);
      }
      throw new Error(`${name} has no ${tensor}`);
    },
  };
}

/** The entries of each row that its mask keeps. */
export function kept(rows: readonly (readonly number[])[], mask: readonly (readonly number[])[]): number[][] {
  return rows.map((row, i) => row.filter((_, t) => mask[i]?.[t] === 1));
}
