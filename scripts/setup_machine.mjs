// Makes sure that the tests find a Chromium and a Vulkan driver that Dawn accepts. On Debian, as root, it installs what
// is missing with apt; elsewhere it says what to install and fails. It asks nothing, and it downloads no browser by
// itself. With --check it installs nothing.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findChromium } from "./find_chromium.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const SOURCES = "/etc/apt/sources.list.d";

/** Whether there is a browser that starts. (Ubuntu's chromium-browser without its snap is a script that only fails.) */
function hasBrowser() {
  const path = findChromium();
  return (
    path !== undefined && spawnSync(path, ["--version"], { stdio: "ignore", timeout: 60_000 }).status === 0
  );
}

/** Asks Dawn for an adapter in a process of its own: Dawn keeps a process alive, and a bad driver may crash it. */
function hasVulkan() {
  const script = `
    import { create } from "webgpu";
    const gpu = create([]);
    const adapter = await gpu.requestAdapter();
    console.log(adapter ? adapter.info.description || adapter.info.device || "adapter" : "none");
    process.exit(adapter ? 0 : 1);`;
  const options = { cwd: root, stdio: ["ignore", "pipe", "pipe"], timeout: 120_000, encoding: "utf8" };
  const asked = spawnSync(process.execPath, ["--input-type=module", "-e", script], options);
  if (asked.status === 0) console.log(`Dawn runs on: ${asked.stdout.trim()}`);
  return asked.status === 0;
}

/** The fields of /etc/os-release; empty where there is none. */
function osRelease() {
  if (!existsSync("/etc/os-release")) return {};
  const lines = readFileSync("/etc/os-release", "utf8").matchAll(/^(\w+)="?([^"\n]*)"?$/gm);
  return Object.fromEntries([...lines].map(([, key, value]) => [key, value]));
}

/** Every suite that apt knows: where it comes from, and the options of its entry as "Key: value" lines. */
function aptSuites() {
  const lists = existsSync(SOURCES) ? readdirSync(SOURCES).map((name) => join(SOURCES, name)) : [];
  const files = ["/etc/apt/sources.list", ...lists].filter(existsSync);
  return files.flatMap((path) => {
    const text = readFileSync(path, "utf8").replace(/^\s*#.*$\n?/gm, "");
    if (path.endsWith(".sources")) return text.split(/\n\s*\n/).flatMap(readStanza);
    return path.endsWith(".list") ? text.split("\n").flatMap(readLine) : [];
  });
}

/** An entry in the form of .sources files. */
function readStanza(stanza) {
  const field = (name) => new RegExp(`^${name}:[ \\t]*(.+)$`, "im").exec(stanza)?.[1]?.trim();
  if (!/\bdeb\b/.test(field("Types") ?? "") || /^no$/i.test(field("Enabled") ?? "yes")) return [];
  const signed = field("Signed-By");
  const [uri] = (field("URIs") ?? "").split(/\s+/);
  return (field("Suites") ?? "").split(/\s+/).map((suite) => ({ uri, suite, signed }));
}

/** An entry in the form of sources.list: deb [option=value ...] uri suite component ... */
function readLine(line) {
  const match = /^\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)/.exec(line);
  if (match === null) return [];
  const signed = /signed-by=(\S+)/i.exec(match[1] ?? "")?.[1];
  return [{ uri: match[2], suite: match[3], signed }];
}

/**
 * Debian 12's own Mesa (22) is too old for Dawn; Mesa 25 is in its backports. They are added from the same server that
 * this machine already takes Debian from.
 */
function addBackports(codename) {
  const suite = `${codename}-backports`;
  const known = aptSuites();
  if (known.some((entry) => entry.suite === suite)) return;
  const own = known.find((entry) => entry.suite === codename);
  if (own === undefined) throw new Error(`No entry for ${codename} in /etc/apt, so no server for ${suite}.`);
  const lines = ["Types: deb", `URIs: ${own.uri}`, `Suites: ${suite}`, "Components: main"];
  if (own.signed !== undefined) lines.push(`Signed-By: ${own.signed}`);
  writeFileSync(join(SOURCES, "aligntune-backports.sources"), `${lines.join("\n")}\n`);
}

function apt(...args) {
  const options = {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  };
  const all = ["-y", "-q", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3", ...args];
  console.log(`apt-get ${args.join(" ")}`);
  return spawnSync("apt-get", all, options).status === 0;
}

function install(missing, release) {
  const codename = release.VERSION_CODENAME;
  const backports = missing.driver && codename === "bookworm";
  if (backports) addBackports(codename);
  // One unreachable list of many is no reason to stop: what matters is whether the packages install.
  apt("update");
  if (missing.browser) apt("install", "--no-install-recommends", "chromium");
  if (missing.driver) {
    const from = backports ? ["-t", `${codename}-backports`] : [];
    apt("install", "--no-install-recommends", ...from, "mesa-vulkan-drivers", "libvulkan1");
  }
}

const ADVICE = {
  browser: `No Chromium or Chrome was found. Install one, or set CHROMIUM_PATH to its program.
  Debian:  apt-get install chromium
  Ubuntu:  its chromium package is a snap; install Google Chrome instead
  macOS, Windows: install Google Chrome`,
  driver: `Dawn found no Vulkan driver that it accepts. Install one (a software driver is enough).
  Debian 12:  apt-get install -t bookworm-backports mesa-vulkan-drivers libvulkan1
  Debian 13, Ubuntu 24.04 or newer:  apt-get install mesa-vulkan-drivers libvulkan1`,
};

const look = () => ({ browser: !hasBrowser(), driver: !hasVulkan() });
let missing = look();
const release = osRelease();
const canInstall = release.ID === "debian" && process.getuid?.() === 0 && !process.argv.includes("--check");
if ((missing.browser || missing.driver) && canInstall) {
  try {
    install(missing, release);
  } catch (error) {
    console.error(error.message);
  }
  missing = look();
}
for (const [what, advice] of Object.entries(ADVICE)) if (missing[what]) console.error(advice);
if (!missing.browser) console.log(`Browser: ${findChromium()}`);
process.exit(missing.browser || missing.driver ? 1 : 0);
