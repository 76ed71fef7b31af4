// Takes pictures of screens of the gallery: node test/ui/gallery/screens.mjs OUT [name-filter]
// The page is served by `npx vite --port 5199`.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const [out = "/tmp/screens", filter = ""] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const BASE = "http://localhost:5199/test/ui/gallery/index.html";
const CONFIG =
  "algo: sft\nmodel:\n  name_or_path: aligntune-tiny\n  precision: bf16\ntrain:\n  learning_rat: 5e-5\n  batch_size: 8\ndistributed: ddp\nbackend: trl\n";

async function openConfig(page) {
  const file = { name: "training.yaml", mimeType: "text/yaml", buffer: Buffer.from(CONFIG) };
  await page.getByLabel("File to open").first().setInputFiles(file);
}

async function discard(page) {
  await page.getByRole("button", { name: "Stop" }).click();
  await page.getByRole("button", { name: "Discard…" }).click();
}

const GRPO = {
  algorithm: "grpo",
  model_name: "aligntune-tiny",
  dataset_name: "arithmetic",
  rewards: [
    { type: "accuracy", weight: 1, params: {} },
    { type: "length", weight: 0.5, params: { max_length: 40 } },
    {
      type: "custom",
      weight: 0.25,
      params: {},
      name: "my_reward",
      language: "javascript",
      code: "function my_reward(text, reference) {\n  // The shorter the better.\n  return text.length < 40 ? 1 : 0;\n}\n",
    },
  ],
};
const HUB = (model_name, more = {}) => ({
  algorithm: "grpo",
  model_name,
  dataset_name: "openai/gsm8k",
  config_name: "main",
  ...more,
});
const DOCUMENTS = {
  "setup-grpo": GRPO,
  "hub-model": HUB("Qwen/Qwen3-0.6B"),
  "hub-unsupported": HUB("EleutherAI/gpt-j-6b"),
  "hub-gated": HUB("meta-llama/Llama-3.2-1B-Instruct"),
  "hub-missing": HUB("nobody/such-model"),
  "hub-busy": HUB("busy/model"),
  "hub-away": HUB("away/model"),
  "hub-data": HUB("Qwen/Qwen3-0.6B", { split: "train[:100]" }),
  "hub-address": HUB("away/model"),
  "hub-access": HUB("meta-llama/Llama-3.2-1B-Instruct"),
  "hub-access-refused": HUB("meta-llama/Llama-3.2-1B-Instruct"),
  "hub-access-other": HUB("meta-llama/Llama-3.2-1B-Instruct"),
  "hub-access-mirror": HUB("meta-llama/Llama-3.2-1B-Instruct"),
};
const to = (id) => (page) => page.evaluate((at) => document.getElementById(at).scrollIntoView(), id);
const open = (name) => (page) => page.getByRole("button", { name }).first().click();
async function wrongToken(page) {
  await open("Get access…")(page);
  await page.getByLabel("Token", { exact: true }).fill("hf_bad");
  await page.getByRole("button", { name: "Check this token" }).click();
}
async function otherAccount(page) {
  await open("Get access…")(page);
  await page.getByLabel("Token", { exact: true }).fill("hf_other");
  await page.getByRole("button", { name: "Check this token" }).click();
  await page.getByRole("button", { name: "Check again" }).click();
}
async function atMirror(page) {
  await page.getByRole("button", { name: "Hub address…" }).first().click();
  await page.getByRole("button", { name: /hf-mirror/ }).click();
  await page.getByRole("button", { name: "Use this address" }).click();
  await page.waitForTimeout(1200);
  await open("Get access…")(page);
}
async function toMemory(page) {
  await page.getByText("What it is made of").click();
  await page.locator("#section-memory").scrollIntoViewIfNeeded();
}
async function toCluster(page) {
  await open("Export…")(page);
  const card = page.getByRole("region", { name: "For a cluster", exact: true });
  await card.getByText(/files$/).click();
  await card.getByText("Use it (Shell)").click();
  await card.getByRole("button", { name: /^Save/ }).scrollIntoViewIfNeeded();
}
const SCREENS = [
  ["library", "idle", "/library"],
  ["library-empty", "fresh", "/library"],
  ["library-delete", "idle", "/library", open(/^Delete Qwen/)],
  ["library-updates", "idle", "/library", open("Check for updates")],
  ["hub-model", "fresh", "/new", to("section-model")],
  ["hub-data", "fresh", "/new", to("section-data")],
  ["hub-unsupported", "fresh", "/new", to("section-model")],
  ["hub-gated", "fresh", "/new", to("section-model")],
  ["hub-missing", "fresh", "/new", to("section-model")],
  ["hub-busy", "fresh", "/new", to("section-model")],
  ["hub-away", "fresh", "/new", to("section-model")],
  ["hub-address", "fresh", "/new", open("Use a mirror…")],
  ["hub-access", "fresh", "/new", open("Get access…")],
  ["hub-access-refused", "fresh", "/new", wrongToken],
  ["hub-access-other", "fresh", "/new", otherAccount],
  ["hub-access-mirror", "fresh", "/new", atMirror],
  ["start-fresh", "fresh", "/"],
  ["start-back", "interrupted", "/"],
  ["start-nogpu", "no-webgpu", "/"],
  ["setup", "fresh", "/new"],
  ["setup-bad", "bad-rows", "/new"],
  ["setup-streamed", "streamed", "/new"],
  ["setup-grpo", "fresh", "/new"],
  ["setup-tight", "tight", "/new", toMemory],
  ["run-running", "running", "/run/r1"],
  ["run-preparing", "preparing", "/run/r1"],
  ["run-paused", "paused", "/run/r1"],
  ["run-done", "done", "/run/r1"],
  ["run-failed", "failed", "/run/r1"],
  ["run-oom", "out-of-memory", "/run/r1"],
  ["rl-grpo-running", "grpo-running", "/run/r1"],
  ["rl-grpo-done", "grpo-done", "/run/r1"],
  ["rl-grpo-broken", "grpo-broken", "/run/r1"],
  ["rl-dpo-done", "dpo-done", "/run/r1"],
  ["rl-ppo-running", "ppo-running", "/run/r1"],
  ["runs", "idle", "/runs"],
  ["runs-empty", "fresh", "/runs"],
  ["chat", "idle", "/chat/r1"],
  ["diagnostics", "idle", "/diagnostics"],
  ["x-review", "fresh", "/", openConfig],
  ["x-setup-yaml", "fresh", "/new", (page) => page.getByText("YAML", { exact: true }).click()],
  ["x-setup-all", "fresh", "/new", (page) => page.getByText("All settings", { exact: true }).click()],
  ["x-setup-wrong", "fresh", "/new", (page) => page.getByLabel("Learning rate", { exact: true }).fill("-3")],
  ["x-run-config", "done", "/run/r1", (page) => page.getByRole("tab", { name: "Config" }).click()],
  ["x-run-log", "done", "/run/r1", (page) => page.getByRole("tab", { name: "Log" }).click()],
  [
    "x-run-table",
    "done",
    "/run/r1",
    (page) =>
      page
        .getByRole("button", { name: /Show as table/ })
        .first()
        .click(),
  ],
  ["x-run-export", "done", "/run/r1", toCluster],
  ["x-run-stop", "running", "/run/r1", discard],
  ["x-chat-sampling", "idle", "/chat/r1", (page) => page.getByRole("button", { name: "Sampling" }).click()],
  ["x-keys", "idle", "/runs", (page) => page.keyboard.press("?")],
  ["x-privacy", "idle", "/runs", (page) => page.getByRole("button", { name: /On this device/ }).click()],
];
const SIZES = [
  [1280, 800],
  [768, 1024],
  [390, 844],
];
mkdirSync(out, { recursive: true });
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--headless=new", "--disable-gpu"],
});
const say = (...words) => process.stdout.write(`${words.join(" ")}\n`);
const quick = process.argv.includes("--quick");
for (const [name, scene, path, act] of SCREENS.filter(([screen]) => screen.startsWith(filter))) {
  for (const theme of ["light", "dark"]) {
    for (const [width, height] of SIZES) {
      if (quick && !(theme === "light" ? width !== 768 : width === 1280)) continue;
      const page = await browser.newPage({ viewport: { width, height }, colorScheme: theme });
      page.on("pageerror", (error) => say(name, "PAGE ERROR", error.message));
      page.on("console", (m) => m.type() === "error" && say(name, "CONSOLE", m.text().slice(0, 300)));
      if (name.includes("setup") || name.startsWith("hub-") || name === "start-back") {
        const given = DOCUMENTS[name];
        const kept = given ? { given, recipe: null } : { given: {}, recipe: "demo-sft" };
        await page.addInitScript(
          (text) => localStorage.setItem("aligntune.setup", text),
          JSON.stringify(kept),
        );
      }
      await page.goto(`${BASE}?scene=${scene}#${path}`);
      await page.waitForTimeout(1500);
      if (act) {
        await act(page);
        await page.waitForTimeout(900);
      }
      if (name === "chat") {
        await page
          .getByRole("button", { name: /Which food/ })
          .first()
          .click()
          .catch(() => {});
        await page.waitForTimeout(500);
      }
      await page.screenshot({
        path: `${out}/${name}-${theme}-${width}.png`,
        fullPage: process.argv.includes("--full"),
      });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (wide > 0) say(name, theme, width, `scrolls sideways by ${wide}`);
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
      for (const { id, nodes } of violations)
        say(
          name,
          theme,
          width,
          "axe",
          id,
          nodes.length,
          nodes[0].html.slice(0, 160),
          "|",
          nodes[0].failureSummary.split("\n")[1],
        );
      await page.close();
    }
  }
}
await browser.close();
