import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type OpenTrainer, openTrainer } from "../api/open_trainer.ts";
import { promptIds, promptOf } from "../api/sampler.ts";
import type { Algorithm } from "../config/algorithm.ts";
import { RECIPES, type Recipe } from "../config/recipes.ts";
import { openGpu } from "../gpu/device.ts";
import { createNodeHost } from "../host/node.ts";
import { Generator } from "../rollout/generator.ts";
import { GREEDY, type Sampling } from "../rollout/sampling.ts";
import { installDawn } from "./dawn.ts";
import { loadConfig } from "./load_config.ts";
import { publicDir } from "./public_dir.ts";

const USAGE = `npm run recipes -- [NAME ...] [--set KEY=VALUE ...]

Runs the recipes that come with the program to their end and measures what they promise on all held-out rows, before and
after: for SFT the taught form and the right fact in greedy answers, for DPO the preferred style and the right fact in
sampled answers and the reward accuracy, for methods with rewards the share of right greedy answers. Takes minutes each;
npm test does not run it. --set changes settings, such as seed=1 or backend=unsloth.`;

interface Question {
  readonly answer: string;
  readonly reference: string;
}

/** What is counted in the answers to the held-out questions of a recipe. */
interface Judge {
  readonly sampling: Sampling;
  readonly maxNewTokens: number;
  readonly counts: Readonly<Record<string, (question: Question) => boolean>>;
}

/** The form that the supervised demo teaches, and the plain sentence inside it. */
const FORM = /^Ahoy captain! (.+), arr!$/;
/** The style that the pairs prefer, and the plain sentence inside it. */
const STYLE = /^Great question! (.+) Glad to help\.$/;

const SUPERVISED: Judge = {
  sampling: GREEDY,
  maxNewTokens: 32,
  counts: {
    "taught form": ({ answer }) => FORM.test(answer),
    "right fact": ({ answer, reference }) => {
      const sentence = FORM.exec(reference)?.[1] ?? "";
      const word = sentence.split(" ").at(-1) ?? "";
      return answer.includes(sentence) || answer.toLowerCase() === `${word}.`.toLowerCase();
    },
  },
};

const PREFERENCES: Judge = {
  sampling: { ...GREEDY, temperature: 1, seed: 1 },
  maxNewTokens: 32,
  counts: {
    "preferred style": ({ answer }) => STYLE.test(answer),
    "right fact": ({ answer, reference }) => {
      const sentence = STYLE.exec(reference)?.[1] ?? reference;
      const word = sentence.split(" ").at(-1) ?? "";
      return answer.includes(sentence) || answer.toLowerCase() === word.toLowerCase();
    },
    "style and fact": ({ answer, reference }) => answer === reference,
  },
};

const SUMS: Judge = {
  sampling: GREEDY,
  maxNewTokens: 26,
  counts: {
    "right sum": ({ answer, reference }) => /#### (-?\d+)$/.exec(answer.trim())?.[1] === reference,
    "shows its work": ({ answer }) => answer.includes("="),
  },
};

const JUDGES: Readonly<Partial<Record<Algorithm, Judge>>> = { sft: SUPERVISED, dpo: PREFERENCES };

async function answerAll(trainer: OpenTrainer, judge: Judge, base: boolean): Promise<Question[]> {
  const { gpu, spec, engine, tools, dataset } = trainer;
  const questions = (dataset?.validation ?? []).flatMap(promptOf);
  const prompts = questions.map(({ turns }) => promptIds(turns, tools));
  const longest = Math.max(...prompts.map((prompt) => prompt.length));
  const { maxNewTokens, sampling } = judge;
  const generator = await Generator.create(gpu, {
    ...{ spec, weights: engine.weights, adapter: engine.adapter, profile: engine.profile, withBase: true },
    ...{ maxSequences: 16, maxPromptTokens: 16 * longest, maxLength: longest + maxNewTokens },
  });
  const { stopIds } = tools.tokenizer;
  const completions = await generator.generate({ prompts, maxNewTokens, sampling, stopIds, base });
  return completions.map(({ ids }, i) => ({
    answer: tools.tokenizer.decode(ids, { skipSpecialTokens: true }),
    reference: questions[i]?.reference ?? "",
  }));
}

async function runRecipe({ name, algorithm }: Recipe, set: readonly string[]): Promise<void> {
  const judge = JUDGES[algorithm] ?? SUMS;
  const loaded = await loadConfig({
    recipe: name,
    set: ["max_eval_samples=null", "sample_every=0", "eval_strategy=no", "save_strategy=no", ...set],
  });
  const { config } = loaded;
  const output = await mkdtemp(join(tmpdir(), "recipe-"));
  const gpu = await openGpu();
  const last: Record<string, number> = {};
  let rollouts = 0;
  const trainer = await openTrainer({
    ...{ config, configText: loaded.text, gpu, run: "", place: "Node" },
    host: createNodeHost({ publicDir: publicDir(), runDir: () => output }),
    events: {
      metrics: (_, values) => Object.assign(last, values),
      step: () => {},
      checkpoint: () => {},
      sample: async () => {},
      rollout: () => {
        rollouts += 1;
      },
      note: (text) => console.log(`Note: ${text}`),
    },
  });
  const base = await answerAll(trainer, judge, true);
  const heldBefore = await trainer.evaluate();
  const began = performance.now();
  await trainer.train({ request: "go" });
  const seconds = (performance.now() - began) / 1000;
  const heldAfter = await trainer.evaluate();
  const tuned = await answerAll(trainer, judge, false);
  const { description, vendor } = gpu.capabilities;
  const kind = rollouts > 0 ? `, ${rollouts} rollouts` : "";
  console.log(
    `${name} (${config.backend}, seed ${config.seed}) on ${description || vendor}: ${trainer.totalSteps} steps${kind} in ${seconds.toFixed(0)} s`,
  );
  for (const [what, counts] of Object.entries(judge.counts)) {
    console.log(
      `  ${what} ${base.filter(counts).length} -> ${tuned.filter(counts).length} of ${tuned.length}`,
    );
  }
  for (const [metric, value] of Object.entries(heldAfter)) {
    console.log(`  ${metric} ${heldBefore[metric]?.toFixed(4)} -> ${value.toFixed(4)}`);
  }
  const gap = last["sampling/sampling_logp_difference/max"];
  if (gap !== undefined)
    console.log(`  decoder against training pass, last rollout: ${gap.toExponential(1)}`);
  for (const i of [0, 1, 2]) {
    console.log(`  ${JSON.stringify(base[i]?.answer)} -> ${JSON.stringify(tuned[i]?.answer)}`);
  }
  await rm(output, { recursive: true });
  gpu.close();
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { help: { type: "boolean" }, set: { type: "string", multiple: true } },
});
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
installDawn();
for (const recipe of RECIPES) {
  if (positionals.length === 0 || positionals.includes(recipe.name))
    await runRecipe(recipe, values.set ?? []);
}
process.exit(0);
