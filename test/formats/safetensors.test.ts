import { readdir, readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { readSafetensors, writeSafetensors } from "../../src/formats/safetensors.ts";
import { memoryAsset } from "../../src/host/memory.ts";
import type { AppError } from "../../src/lib/errors.ts";
import { Random } from "../../src/lib/random.ts";

/** A file of the given header and data, with the length field taken from the header unless given. */
function file(header: string, data = 0, length = BigInt(new TextEncoder().encode(header).length)) {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.length + data);
  new DataView(bytes.buffer).setBigUint64(0, length, true);
  bytes.set(text, 8);
  return memoryAsset("x.safetensors", bytes);
}

function entry(dtype: unknown, shape: unknown, offsets: unknown) {
  return { dtype, shape, data_offsets: offsets };
}

function header(entries: Record<string, unknown>) {
  return JSON.stringify(entries);
}

async function refusal(asset: ReturnType<typeof file>): Promise<AppError> {
  const result = await readSafetensors(asset).then(
    () => undefined,
    (error: AppError) => error,
  );
  if (result === undefined) throw new Error("The file was accepted.");
  return result;
}

const adapters = await readdir("test/golden/adapters");
const a = entry("F32", [2], [0, 8]);

describe("a damaged header", () => {
  it.each([
    ["an empty file", memoryAsset("x.safetensors", new Uint8Array(0)), "has 0 bytes"],
    ["seven bytes", memoryAsset("x.safetensors", new Uint8Array(7)), "has 7 bytes"],
    ["a huge length", file("{}", 0, 2n ** 60n), "at most 100000000"],
    ["a length above 2^63", file("{}", 0, 2n ** 64n - 1n), "18446744073709551615 bytes long"],
    ["a length beyond the file", file("{}", 0, 3n), "needs 11 bytes; the file has 10"],
    ["an empty header", file("", 0), "no valid JSON"],
    ["text that is no JSON", file("{oops}"), "no valid JSON"],
    ["a list", file("[]"), "no JSON object"],
    ["a null", file("null"), "no JSON object"],
    ["a leading space", file(" {}"), "no JSON object"],
    [
      "a key given twice",
      file(`{"a":${JSON.stringify(a)},"\\u0061":${JSON.stringify(a)}}`, 8),
      'gives "a" twice',
    ],
    [
      "dtype given twice",
      file('{"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}', 1),
      '"dtype" twice',
    ],
    ["metadata that is no text", file(header({ __metadata__: { n: 1 } })), '__metadata__ "n" is no text'],
    ["an entry that is no object", file(header({ a: 3 })), "a: its entry in the header is no object"],
    ["an unknown type", file(header({ a: entry("Q7", [2], [0, 8]) }), 8), 'a: type "Q7" is not known'],
    ["a type from the prototype", file(header({ a: entry("toString", [2], [0, 8]) }), 8), "is not known"],
    ["a negative size", file(header({ a: entry("F32", [-2], [0, 8]) }), 8), "shape [-2] is no list of sizes"],
    ["a fraction", file(header({ a: entry("F32", [0.5], [0, 8]) }), 8), "is no list of sizes"],
    ["a negative offset", file(header({ a: entry("F32", [2], [-8, 0]) }), 8), "is no range"],
    ["offsets in the wrong order", file(header({ a: entry("F32", [2], [8, 0]) }), 8), "is no range"],
    ["three offsets", file(header({ a: entry("F32", [2], [0, 8, 9]) }), 8), "is no pair"],
    [
      "a range outside the file",
      file(header({ a: entry("F32", [4], [0, 16]) }), 8),
      "a: it ends at byte 16 of 8",
    ],
    [
      "a shape that does not fit",
      file(header({ a: entry("F32", [3], [0, 8]) }), 8),
      "takes 12 bytes; data_offsets give 8",
    ],
    [
      "a shape that overflows",
      file(header({ a: entry("F32", [2 ** 40, 2 ** 40], [0, 8]) }), 8),
      "data_offsets give 8",
    ],
    [
      "ranges that overlap",
      file(header({ a, b: entry("F32", [2], [4, 12]) }), 12),
      "b starts at byte 4, inside a",
    ],
    ["a range used twice", file(header({ a, b: a }), 8), "b starts at byte 0, inside a"],
    [
      "a hole",
      file(header({ a, b: entry("F32", [1], [12, 16]) }), 16),
      "4 bytes between a and b belong to no tensor",
    ],
    ["bytes at the end", file(header({ a }), 9), "1 bytes after a belong to no tensor"],
  ])("is refused: %s", async (_, asset, words) => {
    const error = await refusal(asset);
    expect(error).toMatchObject({
      name: "AppError",
      code: "file-invalid",
      details: { file: "x.safetensors" },
    });
    expect(error.message).toContain("x.safetensors: ");
    expect(error.message).toContain(words);
  });

  it("is refused or read whole, whatever byte was changed", async () => {
    const good = await readFile("test/golden/adapters/qwen3/adapter_model.safetensors");
    const random = new Random(42);
    for (let i = 0; i < 400; i++) {
      const bytes = new Uint8Array(good);
      bytes[random.integer(i % 2 ? 16 : 3464)] = random.integer(256);
      const cut = bytes.slice(0, i % 3 === 0 ? random.integer(bytes.length) : bytes.length);
      try {
        const read = await readSafetensors(memoryAsset("x.safetensors", cut));
        for (const tensor of read.tensors.values())
          expect(await tensor.bytes()).toHaveLength(tensor.byteLength);
      } catch (error) {
        expect(error).toMatchObject({ name: "AppError", code: "file-invalid" });
      }
    }
  });
});

describe("a sound file", () => {
  it("may be empty, hold empty tensors and scalars, and list tensors in any order", async () => {
    expect((await readSafetensors(file("{}  "))).tensors.size).toBe(0);
    const entries = {
      b: entry("I64", [1], [4, 12]),
      e: entry("F32", [0, 3], [4, 4]),
      s: entry("F32", [], [0, 4]),
    };
    const read = await readSafetensors(file(header({ __metadata__: { format: "pt" }, ...entries }), 12));
    expect([...read.tensors.keys()]).toEqual(["b", "e", "s"]);
    expect(read.metadata).toEqual({ format: "pt" });
    expect(await read.tensors.get("s")?.floats()).toEqual(new Float32Array(1));
    expect(await read.tensors.get("e")?.floats()).toHaveLength(0);
    await expect(read.tensors.get("b")?.floats()).rejects.toMatchObject({ code: "file-invalid" });
  });

  it("is read by range", async () => {
    const data = new Uint8Array(new Float32Array([1, -2, 3.5, 4]).buffer);
    const bytes = writeSafetensors([{ name: "w", dtype: "F32", shape: [2, 2], data }]);
    const w = (await readSafetensors(memoryAsset("m", bytes))).tensors.get("w");
    expect(await w?.floats(1, 3)).toEqual(new Float32Array([-2, 3.5]));
    expect(await w?.bytes(12)).toEqual(data.slice(12));
    await expect(w?.bytes(12, 17)).rejects.toThrow("w has 16 bytes; 12 to 17 were asked for");
  });
});

describe("the writer", () => {
  it.each(adapters)("gives the bytes of PEFT for %s", async (name) => {
    const bytes = new Uint8Array(await readFile(`test/golden/adapters/${name}/adapter_model.safetensors`));
    const read = await readSafetensors(memoryAsset(name, bytes));
    const tensors = await Promise.all(
      [...read.tensors.values()].reverse().map(async (tensor) => ({ ...tensor, data: await tensor.bytes() })),
    );
    expect(writeSafetensors(tensors)).toEqual(bytes);
  });

  it("puts larger types first, then sorts by name, integer-like names too", async () => {
    const tensors = [
      { name: "b", dtype: "BF16", shape: [1], data: new Uint8Array(2) },
      { name: "a", dtype: "F32", shape: [1], data: new Uint8Array(4) },
      { name: "10", dtype: "I64", shape: [], data: new Uint8Array(8) },
      { name: "B", dtype: "F32", shape: [1], data: new Uint8Array(4) },
    ] as const;
    const bytes = writeSafetensors(tensors, {});
    const text = new TextDecoder().decode(bytes.slice(8));
    expect(text.match(/"(10|a|b|B)":/g)).toEqual(['"10":', '"B":', '"a":', '"b":']);
    expect(bytes.length % 8).toBe(18 % 8);
    expect((await readSafetensors(memoryAsset("m", bytes))).tensors.size).toBe(4);
  });

  it("refuses bytes that do not fit the shape, and a name given twice", () => {
    const t = { name: "a", dtype: "F32", shape: [2], data: new Uint8Array(4) } as const;
    expect(() => writeSafetensors([t])).toThrow("4 bytes for [2] F32");
    expect(() => writeSafetensors([t, t])).toThrow("twice");
  });
});
