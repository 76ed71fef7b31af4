import react from "@vitejs/plugin-react";
import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";
import { pyodideFiles } from "./scripts/pyodide_plugin.ts";
import { scriptText } from "./scripts/script_text_plugin.ts";
import { SECURITY_HEADERS } from "./scripts/security_headers.mjs";
import { serviceWorker } from "./scripts/service_worker_plugin.ts";
import { CHROMIUM } from "./test/setup/chromium.ts";

const GPU_TESTS = "test/{algorithms,gpu,kernels,model,rollout,summary,trainer}/**/*.test.ts";

export default defineConfig({
  base: "./",
  plugins: [react(), scriptText(), pyodideFiles(), serviceWorker()],
  worker: { format: "es", plugins: () => [scriptText()] },
  // Beside dist/node, the bundled command line. No file becomes a data: address, which the page's policy refuses to fetch.
  build: {
    outDir: "dist/app",
    emptyOutDir: true,
    target: "es2023",
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1500,
  },
  preview: { headers: { ...SECURITY_HEADERS } },
  test: {
    projects: [
      {
        plugins: [scriptText()],
        test: {
          name: "unit",
          environment: "node",
          // Vitest leaves one core to itself, which is half of a machine with two.
          maxWorkers: "100%",
          // Ends a test that hangs. Vitest's own five seconds fail slow tests on a machine that is busy.
          testTimeout: 60_000,
          include: ["test/**/*.test.ts"],
          exclude: [GPU_TESTS, "test/e2e/**"],
        },
      },
      {
        plugins: [scriptText()],
        test: {
          name: "dawn",
          environment: "node",
          pool: "forks",
          maxWorkers: 2,
          testTimeout: 120_000,
          setupFiles: ["test/setup/dawn.ts"],
          include: [GPU_TESTS],
          exclude: ["test/**/*.browser.test.ts"],
        },
      },
      {
        plugins: [scriptText()],
        test: {
          name: "gpu",
          testTimeout: 240_000,
          fileParallelism: false,
          include: [GPU_TESTS],
          exclude: ["test/**/*.node.test.ts"],
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({
              launchOptions: CHROMIUM,
            }),
            instances: [{ browser: "chromium" }],
          },
        },
      },
      {
        test: {
          name: "e2e",
          environment: "node",
          fileParallelism: false,
          testTimeout: 600_000,
          hookTimeout: 120_000,
          include: ["test/e2e/**/*.test.ts"],
        },
      },
    ],
  },
});
