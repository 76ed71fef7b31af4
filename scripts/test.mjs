// `npm test`: every check of this repository, cheapest first, up to the first that fails. The last line sums the tests
// of all stages: "N passed, N failed".
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findChromium } from "./find_chromium.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const folder = mkdtempSync(join(tmpdir(), "aligntune-test-"));

const BIOME = "node_modules/@biomejs/biome/bin/biome";
const TSC = "node_modules/typescript/bin/tsc";
const VITE = "node_modules/vite/bin/vite.js";
const VITEST = "node_modules/vitest/vitest.mjs";

/** A stage counts its tests, or counts as one: [name, function to {passed, failed}]. */
const STAGES = [
  ["check", () => programs([BIOME, "check", "."], [TSC, "-p", "."])],
  ["unit", () => vitest("unit")],
  ["machine", () => setUp()],
  ["dawn", () => vitest("dawn")],
  ["build", () => programs([VITE, "build", "--logLevel", "warn"], ["scripts/report_size.mjs"])],
  ["gpu", () => vitest("gpu")],
  ["e2e", () => vitest("e2e")],
];

function run(args) {
  const browser = findChromium();
  const env = { ...process.env, ...(browser && { CHROMIUM_PATH: browser }) };
  const result = spawnSync(process.execPath, args, {
    cwd: root,
    env,
    stdio: ["ignore", "inherit", "inherit"],
  });
  return result.status === 0;
}

/** Programs that are one test together. */
function programs(...all) {
  return all.every(run) ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

/** What the machine lacks is installed, or said. It is no test, unless it fails. */
function setUp() {
  return { passed: 0, failed: run(["scripts/setup_machine.mjs"]) ? 0 : 1 };
}

/** One project of vite.config.ts. A file that could not be read, or an error outside of any test, fails it too. */
function vitest(project) {
  const report = join(folder, `${project}.json`);
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const succeeded = run([VITEST, "run", "--project", project, ...reporters]);
  const { numPassedTests = 0, numFailedTests = 0 } = existsSync(report)
    ? JSON.parse(readFileSync(report, "utf8"))
    : {};
  return { passed: numPassedTests, failed: succeeded ? numFailedTests : Math.max(1, numFailedTests) };
}

const total = { passed: 0, failed: 0 };
for (const [name, stage] of STAGES) {
  console.log(`\n--- ${name}`);
  const start = performance.now();
  const { passed, failed } = stage();
  total.passed += passed;
  total.failed += failed;
  const seconds = Math.round((performance.now() - start) / 1000);
  console.log(`--- ${name}: ${passed} passed, ${failed} failed, ${seconds} s`);
  if (failed > 0) break;
}
rmSync(folder, { recursive: true });
console.log(`\n${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed === 0 ? 0 : 1;
