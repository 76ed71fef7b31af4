import { findChromium } from "../../scripts/find_chromium.mjs";

/**
 * How tests start Chromium: WebGPU on SwiftShader, which every machine has, and no requests of the browser's own.
 * Used by the project `gpu` (vite.config.ts) and by the end-to-end tests.
 */
export const CHROMIUM = {
  executablePath: findChromium() ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan,WebGPUService",
  ],
};
