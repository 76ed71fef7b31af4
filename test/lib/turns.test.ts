import { describe, expect, it } from "vitest";
import { unlessCancelled } from "../../src/lib/turns.ts";

describe("work that can be cancelled", () => {
  it("is waited for until it ends by itself", async () => {
    const abort = new AbortController();
    const work = unlessCancelled(abort.signal, 60_000, async () => {
      await new Promise((resolve) => abort.signal.addEventListener("abort", resolve));
      return "brought to disk";
    });
    abort.abort();
    expect(await work).toBe("brought to disk");
  });

  it("is left alone when it does not", async () => {
    const abort = new AbortController();
    const work = unlessCancelled(abort.signal, 1, () => new Promise(() => {}));
    abort.abort();
    await expect(work).rejects.toMatchObject({ code: "cancelled" });
    await expect(unlessCancelled(abort.signal, 1, async () => 1)).rejects.toMatchObject({
      code: "cancelled",
    });
  });
});
