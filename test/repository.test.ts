import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { headersFile } from "../scripts/security_headers.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** The part of a lock file that these tests read. */
interface Lock {
  readonly packages: Readonly<
    Record<string, { version?: string; resolved?: string; dependencies?: Readonly<Record<string, string>> }>
  >;
}

const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as Lock;

describe("the lock file", () => {
  it("names no server: each machine uses the registry that it is set up for", () => {
    const resolved = Object.values(lock.packages).map((entry) => entry.resolved ?? "");
    expect(resolved.filter((address) => /^[a-z+]+:\/\//.test(address))).toEqual([]);
  });

  it("has one onnxruntime-web, the one that @huggingface/transformers pins", () => {
    const versions = Object.entries(lock.packages).filter(([path]) => /(^|\/)onnxruntime-web$/.test(path));
    const pinned = lock.packages["node_modules/@huggingface/transformers"]?.dependencies?.["onnxruntime-web"];
    expect(pinned).toMatch(/^\d/);
    expect(versions.map(([, entry]) => entry.version)).toEqual([pinned]);
  });

  it("agrees with package.json", () => {
    const { dependencies, devDependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    expect(lock.packages[""]).toMatchObject({ dependencies, devDependencies });
  });
});

describe("the tracked files", () => {
  it("name no path of the machine that they were written on", () => {
    const named = trackedFiles().filter((path) => {
      const bytes = readFileSync(join(ROOT, path));
      return /(?<![\w.:/-])\/(?:work|root|home\/\w+|Users\/\w+)\//.test(bytes.toString("latin1"));
    });
    expect(named).toEqual([]);
  });

  it("have the security headers in public/_headers too", () => {
    expect(readFileSync(join(ROOT, "public/_headers"), "utf8")).toBe(headersFile());
  });
});

describe("README.md", () => {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const links = [...readme.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map((match) => match[1] ?? "");

  it.each(links)("links to %s, which exists", (path) => {
    expect(existsSync(join(ROOT, path))).toBe(true);
  });

  it("names only commands that package.json has", () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    const named = [...readme.matchAll(/npm run ([\w:-]+)/g)].map((match) => match[1] ?? "");
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });
});

/** The files under version control; where there is no repository (an unpacked archive), all that could be. */
function trackedFiles(): string[] {
  try {
    const listed = execFileSync("git", ["ls-files", "-z"], {
      cwd: ROOT,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    const files = listed.split("\0").filter((path) => path !== "" && existsSync(join(ROOT, path)));
    if (files.length > 0) return files;
  } catch {
    // No git here.
  }
  const skipped = /^(?:node_modules|dist|\.git)$/;
  return readdirSync(ROOT)
    .filter((name) => !skipped.test(name))
    .flatMap((name) =>
      statSync(join(ROOT, name)).isDirectory()
        ? readdirSync(join(ROOT, name), { recursive: true, encoding: "utf8" }).map((below) =>
            join(name, below),
          )
        : [name],
    )
    .filter((path) => statSync(join(ROOT, path)).isFile());
}
