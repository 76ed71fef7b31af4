import { existsSync } from "node:fs";
import { defineConfig } from "vite";
import { scriptText } from "./scripts/script_text_plugin.ts";

const PROGRAMS = {
  cli: "main",
  parity: "parity",
  parity_trl: "parity_trl",
  bench: "bench",
  pretrain: "pretrain",
  recipes: "recipes",
  make_random_model: "make_random_model",
};

/** Bundles the command-line programs into dist/node/: the same engine, for Node and Dawn. */
export default defineConfig({
  plugins: [scriptText()],
  build: {
    ssr: true,
    outDir: "dist/node",
    emptyOutDir: true,
    target: "node20",
    copyPublicDir: false,
    rollupOptions: {
      input: Object.fromEntries(
        Object.entries(PROGRAMS)
          .map(([name, file]) => [name, `src/cli/${file}.ts`])
          .filter(([, path]) => existsSync(path as string)),
      ),
      output: { entryFileNames: "[name].mjs", chunkFileNames: "chunks/[name]-[hash].mjs" },
    },
  },
  ssr: { noExternal: true, external: ["webgpu", "@jax-js/jax"] },
});
