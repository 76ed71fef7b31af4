import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Random } from "../../src/lib/random.ts";
import { Sha256 } from "../../src/lib/sha256.ts";

const text = (content: string) => new TextEncoder().encode(content);

describe("SHA-256", () => {
  it.each([
    ["", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    ["abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
    [
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    ],
    ["a".repeat(1_000_000), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"],
  ])("has the values of the standard: %#", (content, expected) => {
    expect(new Sha256().update(text(content)).digest()).toBe(expected);
  });

  it("does not depend on how the bytes are cut, and agrees with OpenSSL", () => {
    const random = new Random(1);
    for (const length of [1, 55, 56, 57, 63, 64, 65, 119, 120, 128, 5000]) {
      const bytes = Uint8Array.from({ length }, () => random.integer(256));
      const hash = new Sha256();
      for (let at = 0; at < length; ) {
        const size = 1 + random.integer(150);
        hash.update(bytes.subarray(at, at + size));
        at += size;
      }
      expect(hash.digest(), `${length} bytes`).toBe(createHash("sha256").update(bytes).digest("hex"));
    }
  });
});
