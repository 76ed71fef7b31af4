import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type OpenTrainer, openTrainer } from "../api/open_trainer.ts";
import { promptIds, promptOf } from "../api/sampler.ts";
import { RECIPES } from "../config/recipes.ts";
import { openGpu } from "../gpu/device.ts";
import { createNodeHost } from "../host/node.ts";
import { Generator } from "../rollout/generator.ts";
import { GREEDY } from "../rollout/sampling.ts";
import { installDawn } from "./dawn.ts";
import { loadConfig, requireSft } from "./load_config.ts";
import { publicDir } from "./public_dir.ts";

const USAGE = `npm run recipes -- [NAME ...]

Runs the recipes that come with the program to their end and measures what they promise: for the supervised demo the
held-out loss before and after, and of the greedy answers to all held-out questions how many have the taught form and
how many state the right fact. Takes minutes; npm test does not run it.`;

/** The form that the demo teaches, and the plain sentence inside it. */
const FORM = /^Ahoy captain! (.+), arr!$/;

interface Share {
  readonly form: number;
  readonly fact: number;
}

/** How many answers have the form, and how many say what the reference says, in any form. */
function judge(answers: readonly string[], references: readonly string[]): Share {
  let form = 0;
  let fact = 0;
  answers.forEach((answer, i) => {
    const sentence = FORM.exec(references[i] ?? "")?.[1] ?? "";
    const word = sentence.split(" ").at(-1) ?? "";
    if (FORM.test(answer)) form += 1;
    if (answer.includes(sentence) || answer.toLowerCase() === `${word}.`.toLowerCase()) fact += 1;
  });
  return { form, fact };
}

async function answerAll(
  trainer: OpenTrainer,
  base: boolean,
): Promise<{ answers: string[]; references: string[] }> {
  const { gpu, spec, engine, tools, dataset } = trainer;
  const questions = (dataset?.validation ?? []).flatMap(promptOf);
  const prompts = questions.map(({ turns }) => promptIds(turns, tools));
  const longest = Math.max(...prompts.map((prompt) => prompt.length));
  const generator = await Generator.create(gpu, {
    ...{ spec, weights: engine.weights, adapter: engine.adapter, profile: engine.profile, withBase: true },
    ...{ maxSequences: 16, maxPromptTokens: 16 * longest, maxLength: longest + 32 },
  });
  const { stopIds } = tools.tokenizer;
  const completions = await generator.generate({
    prompts,
    maxNewTokens: 32,
    sampling: GREEDY,
    stopIds,
    base,
  });
  return {
    answers: completions.map(({ ids }) => tools.tokenizer.decode(ids, { skipSpecialTokens: true })),
    references: questions.map(({ reference }) => reference ?? ""),
  };
}

async function runSupervised(name: string): Promise<void> {
  const loaded = await loadConfig({
    recipe: name,
    set: ["max_eval_samples=null", "sample_every=0", "logging_steps=16"],
  });
  const config = requireSft(loaded.config);
  const output = await mkdtemp(join(tmpdir(), "recipe-"));
  const gpu = await openGpu();
  const held: number[] = [];
  const began = performance.now();
  const trainer = await openTrainer({
    ...{ config, configText: loaded.text, gpu, run: "", place: "Node" },
    host: createNodeHost({ publicDir: publicDir(), runDir: () => output }),
    events: {
      metrics: (_, values) => {
        if (values["eval_loss"] !== undefined) held.push(values["eval_loss"]);
      },
      step: () => {},
      checkpoint: () => {},
      sample: async () => {},
      note: (text) => console.log(`Note: ${text}`),
    },
  });
  await trainer.train({ request: "go" });
  const seconds = (performance.now() - began) / 1000;
  const base = await answerAll(trainer, true);
  const tuned = await answerAll(trainer, false);
  const count = base.answers.length;
  const before = judge(base.answers, base.references);
  const after = judge(tuned.answers, tuned.references);
  const { description, vendor } = gpu.capabilities;
  console.log(`${name} on ${description || vendor}: ${trainer.totalSteps} steps in ${seconds.toFixed(0)} s`);
  console.log(`held-out loss ${held[0]?.toFixed(3)} -> ${held.at(-1)?.toFixed(4)}`);
  console.log(`taught form ${before.form}/${count} -> ${after.form}/${count}`);
  console.log(`right fact ${before.fact}/${count} -> ${after.fact}/${count}`);
  for (const i of [0, 1, 2])
    console.log(`  ${JSON.stringify(base.answers[i])} -> ${JSON.stringify(tuned.answers[i])}`);
  await rm(output, { recursive: true });
  gpu.close();
}

const { values, positionals } = parseArgs({ allowPositionals: true, options: { help: { type: "boolean" } } });
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
installDawn();
for (const recipe of RECIPES) {
  if (positionals.length > 0 && !positionals.includes(recipe.name)) continue;
  if (recipe.algorithm === "sft") await runSupervised(recipe.name);
}
process.exit(0);
