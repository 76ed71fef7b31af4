// `npm start`: builds the app where its sources are newer than dist/app, then serves it on this machine.
// PORT sets the first port to try (4173).
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { newest } from "./newest.mjs";
import { serveUntilInterrupted } from "./serve.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const app = join(root, "dist/app");
// Written last by a build, so that an interrupted one is not taken for whole.
const built = join(app, "service_worker.js");

const SOURCES = ["index.html", "src", "shaders", "public", "vite.config.ts", "package.json", "scripts"];
const changed = Math.max(...SOURCES.map((name) => newest(join(root, name))));
if (!existsSync(built) || changed > statSync(built).mtimeMs) {
  console.log("Building the app ...");
  const build = spawnSync(
    process.execPath,
    [join(root, "node_modules/vite/bin/vite.js"), "build", "--logLevel", "warn"],
    { cwd: root, stdio: ["ignore", "inherit", "inherit"] },
  );
  if (build.status !== 0) process.exit(build.status ?? 1);
}

const port = Number(process.env.PORT ?? 4173);
if (!Number.isInteger(port) || port < 0 || port > 65535) {
  console.error(`PORT is ${process.env.PORT}; it must be a whole number from 0 to 65535.`);
  process.exit(2);
}
await serveUntilInterrupted(app, port, 50);
