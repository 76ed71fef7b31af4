import { defineConfig } from "vite";

/** Bundles the command-line programs into dist/node/: the same engine, for Node and Dawn. */
export default defineConfig({
  build: {
    ssr: true,
    outDir: "dist/node",
    emptyOutDir: true,
    target: "node20",
    copyPublicDir: false,
    rollupOptions: {
      input: {
        cli: "src/cli/main.ts",
        parity: "src/cli/parity.ts",
        parity_trl: "src/cli/parity_trl.ts",
        bench: "src/cli/bench.ts",
        pretrain: "src/cli/pretrain.ts",
      },
      output: { entryFileNames: "[name].mjs", chunkFileNames: "chunks/[name]-[hash].mjs" },
      external: ["webgpu", "@jax-js/jax"],
    },
  },
  ssr: { noExternal: true, external: ["webgpu", "@jax-js/jax"] },
});
