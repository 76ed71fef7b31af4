/**
 * Makes the embedded model's tokenizer and configuration and the data sets. Same bytes every time.
 *
 *   node scripts/tiny_world/make_data.mjs           writes public/models/aligntune-tiny and public/datasets
 *   node scripts/tiny_world/make_data.mjs --check   compares with what is there; exit 1 where it differs
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { makeDatasets } from "./datasets.mjs";
import { makeModelFiles } from "./model_files.mjs";

const ROOT = new URL("../../public/", import.meta.url);

const readOrEmpty = (path) => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
};

const files = [
  ...[...makeModelFiles().files].map(([name, text]) => [`models/aligntune-tiny/${name}`, text]),
  ...[...makeDatasets()].map(([name, text]) => [`datasets/${name}`, text]),
];
const check = process.argv.includes("--check");
const differing = [];
for (const [name, text] of files) {
  const path = fileURLToPath(new URL(name, ROOT));
  if (check) {
    if (readOrEmpty(path) !== text) differing.push(name);
  } else {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    console.log(`${name} ${text.length} bytes`);
  }
}
if (check) {
  console.log(
    differing.length === 0 ? "All files are as the script makes them." : `Differs: ${differing.join(", ")}`,
  );
  process.exitCode = differing.length === 0 ? 0 : 1;
}
