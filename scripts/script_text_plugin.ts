import { build, type Plugin } from "vite";

/** The end of an import that asks for a program as text. */
const QUERY = "?script";

/**
 * `import text from "./program.ts?script"` gives the program, with all that it imports, as the text of one classic script
 * that puts its exports into the variable `program`. For code that starts where modules cannot be loaded: in a worker
 * that has no network, in a child process that has no files of ours.
 */
export function scriptText(): Plugin {
  return {
    name: "script-text",
    enforce: "pre",
    async resolveId(source, importer) {
      if (!source.endsWith(QUERY)) return null;
      const found = await this.resolve(source.slice(0, -QUERY.length), importer, { skipSelf: true });
      return found === null ? null : found.id + QUERY;
    },
    load: {
      order: "pre",
      async handler(id) {
        if (!id.endsWith(QUERY)) return null;
        const { code, modules } = await bundle(id.slice(0, -QUERY.length));
        for (const file of modules) this.addWatchFile(file);
        return { code: `export default ${JSON.stringify(code)};`, moduleType: "js", map: null };
      },
    },
  };
}

async function bundle(entry: string): Promise<{ code: string; modules: readonly string[] }> {
  const result = await build({
    configFile: false,
    logLevel: "error",
    publicDir: false,
    build: {
      write: false,
      target: "es2022",
      // One line of few bytes is not the aim: names in a stack should be readable, and the texts are small.
      minify: false,
      lib: { entry, formats: ["iife"], name: "program" },
      rollupOptions: { output: { codeSplitting: false } },
    },
  });
  const [output] = Array.isArray(result) ? result : [result];
  const chunk = output && "output" in output ? output.output[0] : undefined;
  if (chunk === undefined) throw new Error(`${entry} was not built`);
  return { code: chunk.code, modules: chunk.moduleIds.filter((name) => !name.includes("\0")) };
}
