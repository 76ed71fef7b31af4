import { describe, expect, it } from "vitest";

/**
 * What each folder of src may import. A folder may always import itself; nothing else is allowed.
 * This table is the architecture: the page (ui, store) meets the engine only at protocol and config.
 */
const MAY_IMPORT: Record<string, readonly string[]> = {
  lib: [],
  config: ["lib"],
  protocol: ["config", "lib"],
  store: ["protocol", "config", "lib"],
  ui: ["store", "protocol", "config", "lib"],
  gpu: ["lib"],
  kernels: ["gpu", "lib"],
  formats: ["host", "lib"],
  host: ["sandbox", "storage", "lib"],
  sandbox: ["host", "lib"],
  storage: ["host", "lib"],
  losses: ["lib"],
  data: ["config", "formats", "host", "lib"],
  rewards: ["losses", "config", "sandbox", "host", "lib"],
  model: ["kernels", "gpu", "formats", "host", "lib"],
  rollout: ["model", "kernels", "gpu", "data", "lib"],
  algorithms: [
    "trainer",
    "losses",
    "rewards",
    "rollout",
    "data",
    "model",
    "kernels",
    "gpu",
    "formats",
    "host",
    "config",
    "lib",
  ],
  trainer: [
    "sandbox",
    "rollout",
    "data",
    "model",
    "kernels",
    "gpu",
    "formats",
    "storage",
    "host",
    "config",
    "lib",
  ],
  api: [
    "trainer",
    "kernels",
    "algorithms",
    "rollout",
    "rewards",
    "data",
    "model",
    "gpu",
    "formats",
    "host",
    "storage",
    "config",
    "lib",
  ],
  cluster: ["trainer", "sandbox", "data", "host", "config", "lib"],
  worker: [
    "api",
    "cluster",
    "rollout",
    "rewards",
    "kernels",
    "trainer",
    "algorithms",
    "data",
    "model",
    "gpu",
    "formats",
    "host",
    "storage",
    "protocol",
    "config",
    "lib",
  ],
  cli: [
    "cluster",
    "api",
    "trainer",
    "algorithms",
    "rollout",
    "rewards",
    "data",
    "model",
    "kernels",
    "gpu",
    "formats",
    "storage",
    "host",
    "losses",
    "config",
    "lib",
  ],
};

const sources = import.meta.glob<string>("/src/*/**/*.{ts,tsx}", {
  query: "?raw",
  import: "default",
  eager: true,
});
const shaders = import.meta.glob<string>("/shaders/**/*.wgsl", {
  query: "?raw",
  import: "default",
  eager: true,
});
const tests = import.meta.glob<string>("/test/kernels/**/*.ts", {
  query: "?raw",
  import: "default",
  eager: true,
});

describe("imports point down the layers", () => {
  it.each(Object.entries(sources))("%s", (file, source) => {
    const layer = file.split("/")[2] ?? "";
    expect(Object.keys(MAY_IMPORT), `${layer} has no row in the table`).toContain(layer);
    const allowed = [layer, ...(MAY_IMPORT[layer] ?? [])];
    for (const [, path = ""] of source.matchAll(/from "(\.[^"]+\.tsx?)(?:\?[a-z]+)?"/g)) {
      const target = new URL(path, `file://${file}`).pathname.split("/")[2];
      expect(allowed, `${file} imports ${path}`).toContain(target);
    }
  });
});

describe("only the folder that owns an outside interface touches it", () => {
  it.each(Object.entries(sources))("%s", (file, source) => {
    const layer = file.split("/")[2] ?? "";
    if (/from "idb"/.test(source)) expect(layer).toBe("storage");
    if (/from "node:/.test(source)) expect(file).toMatch(/^\/src\/(cli\/|host\/node(_\w+)?\.ts$)/);
    if (/Math\.random\(|Date\.now\(/.test(source))
      expect(["ui", "store", "cli", "host", "worker"]).toContain(layer);
  });
});

if (Object.keys(shaders).length > 0) {
  describe("every kernel has a header, one binding and a test of that binding", () => {
    it.each(Object.entries(shaders))("%s", (file, source) => {
      for (const field of ["Math", "Source", "Shapes", "Dispatch", "Oracle"]) {
        expect(source.split("\n\n")[0]).toContain(`\n// ${field} `);
      }
      const folder = file.split("/")[2];
      const bindings = Object.keys(sources).filter((path) =>
        sources[path]?.includes(`shaders${file.slice(8)}?raw`),
      );
      expect(bindings, "exactly one binding imports the shader").toHaveLength(1);
      const [binding = ""] = bindings;
      expect(binding).toMatch(new RegExp(`^/src/kernels/${folder}/`));
      const ownTest = binding.replace("/src/", "/test/").replace(/\.ts$/, ".test.ts");
      const importsBinding = (source: string) => source.includes(`../../..${binding}`);
      const tested = Object.entries(tests).some(
        ([path, source]) => path.startsWith("/test/kernels/") && importsBinding(source),
      );
      expect(tested || Object.hasOwn(tests, ownTest), `${binding} is tested`).toBe(true);
    });
  });
}
