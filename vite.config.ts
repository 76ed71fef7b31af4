import react from "@vitejs/plugin-react";
import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";

const CHROMIUM_ARGS = [
  "--no-sandbox",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
  "--enable-features=Vulkan,WebGPUService",
];

const GPU_TESTS = "test/{gpu,kernels,model,rollout,trainer}/**/*.test.ts";

export default defineConfig({
  base: "./",
  plugins: [react()],
  worker: { format: "es" },
  build: { target: "es2023", chunkSizeWarningLimit: 1500 },
  test: {
    projects: [
      {
        test: {
          name: "unit",
          environment: "node",
          include: ["test/**/*.test.ts"],
          exclude: [GPU_TESTS, "test/e2e/**"],
        },
      },
      {
        test: {
          name: "dawn",
          environment: "node",
          pool: "forks",
          maxWorkers: 1,
          testTimeout: 120_000,
          setupFiles: ["test/setup/dawn.ts"],
          include: [GPU_TESTS],
          exclude: ["test/**/*.browser.test.ts"],
        },
      },
      {
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
              launchOptions: {
                args: CHROMIUM_ARGS,
                executablePath: process.env["CHROMIUM_PATH"] ?? "/usr/bin/chromium",
              },
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
