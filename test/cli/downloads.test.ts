import { describe, expect, it } from "vitest";
import { createDownloads, type DownloadTarget } from "../../src/cli/downloads.ts";
import type { Repository } from "../../src/host/hub_store.ts";

const repository: Repository = {
  ...{ key: "k", endpoint: "https://hub", kind: "models", id: "me/model", commit: "c", files: [] },
  ...{ licence: null, gated: false, private: false, parameters: null },
};

function told(kind: DownloadTarget["kind"]) {
  let now = 0;
  const written: string[] = [];
  const downloads = createDownloads({ kind, write: (text) => written.push(text), now: () => now });
  const report = (at: number, megabytes: number, size = 100_000_000, path = "w") => {
    now = at;
    downloads.report({ repository, path, done: megabytes * 1_000_000, size });
  };
  return { downloads, report, written };
}

describe("the download of a file on the command line", () => {
  it("is one line of a terminal, with its rate and what is left", () => {
    const { downloads, report, written } = told("terminal");
    report(0, 20);
    report(50, 30);
    report(1000, 60);
    report(2000, 100);
    report(2001, 100);
    expect(written).toEqual([
      "\rme/model w: 20.0 MB of 100.0 MB\x1b[K",
      "\rme/model w: 60.0 MB of 100.0 MB, 40.0 MB/s, 1 s left\x1b[K",
      "\rme/model w: 100.0 MB of 100.0 MB, 40.0 MB/s\x1b[K\n",
    ]);
    expect(downloads.unfinished()).toBeUndefined();
  });

  it("is a line for each tenth in a log, and an object a second with --json", () => {
    const log = told("log");
    for (let i = 0; i <= 100; i++) log.report(10 * i, i);
    expect(log.written).toHaveLength(11);
    expect(log.written[5]).toBe("me/model w: 50.0 MB of 100.0 MB, 100.0 MB/s, 1 s left\n");
    const json = told("json");
    for (const at of [0, 500, 1000, 1500]) json.report(at, at / 15);
    expect(json.written.map((line) => JSON.parse(line).done)).toEqual([0, 66_666_666, 100_000_000].map(near));
  });

  it("is not told when it is small, or was here before", () => {
    const { report, written } = told("log");
    report(0, 0.5, 500_000);
    report(0, 100);
    expect(written).toEqual([]);
  });

  it("that is not whole says what is kept, on a line of its own", () => {
    const { downloads, report, written } = told("terminal");
    report(0, 100, 100_000_000, "whole");
    report(0, 60);
    expect(downloads.unfinished()).toBe(
      "What arrived is kept: 60.0 MB of 100.0 MB of me/model. Run the same command again, and it goes on from there.",
    );
    expect(written.at(-1)).toBe("\n");
  });
});

const near = (bytes: number) => expect.closeTo(bytes, -1);
