import { parseArgs } from "node:util";
import { RECIPES } from "../config/recipes.ts";
import { AppError } from "../lib/errors.ts";
import { diagnose } from "./commands/diagnose.ts";
import { evaluate } from "./commands/evaluate.ts";
import { train } from "./commands/train.ts";
import { validate } from "./commands/validate.ts";
import { installDawn } from "./dawn.ts";
import { createOutput, exitCodeOf, type Output, reportError } from "./output.ts";

const USAGE = `npm run aligntune -- COMMAND [options]

  train     --config FILE | --recipe NAME  [--set key=value ...] [--output DIR] [--resume] [--skip-bad-rows]
  validate  --config FILE | --recipe NAME  [--set key=value ...]
  evaluate  --config FILE | --recipe NAME  [--set key=value ...] [--skip-bad-rows]
  diagnose  what this machine's GPU is and allows
  recipes   the configurations that come with the program

--json prints one JSON object a line. Paths in a configuration are relative to its file.
Exit codes: 0 done, 1 the run failed, 2 the input was refused, 130 interrupted and saved.`;

const OPTIONS = {
  config: { type: "string" },
  recipe: { type: "string" },
  set: { type: "string", multiple: true, default: [] as string[] },
  output: { type: "string" },
  resume: { type: "boolean", default: false },
  "skip-bad-rows": { type: "boolean", default: false },
  json: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

function readArguments(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], allowPositionals: true, options: OPTIONS });
  } catch (cause) {
    throw new AppError(
      "config-invalid",
      `${cause instanceof Error ? cause.message : String(cause)}\n\n${USAGE}`,
    );
  }
}

async function run(argv: readonly string[], output: Output): Promise<number> {
  const { values, positionals } = readArguments(argv);
  const [command, ...rest] = positionals;
  if (values.help || command === undefined) {
    console.log(USAGE);
    return command === undefined && !values.help ? 2 : 0;
  }
  if (rest.length > 0)
    throw new AppError("config-invalid", `Unexpected words: ${rest.join(" ")}.\n\n${USAGE}`);
  const { config, recipe, set, resume, output: directory, "skip-bad-rows": skipBadRows } = values;
  const needsConfig = ["train", "validate", "evaluate"].includes(command) && !resume;
  if (needsConfig && config === undefined && recipe === undefined && set.length === 0) {
    throw new AppError(
      "config-invalid",
      `${command} needs --config FILE, --recipe NAME or --set key=value.\n\n${USAGE}`,
    );
  }
  switch (command) {
    case "train":
      installDawn();
      return train({ config, recipe, set, resume, skipBadRows, output: directory }, output);
    case "validate":
      return validate({ config, recipe, set }, output);
    case "evaluate":
      installDawn();
      return evaluate({ config, recipe, set, skipBadRows }, output);
    case "diagnose":
      installDawn();
      return diagnose(output);
    case "recipes":
      for (const { name, title, description } of RECIPES) {
        output.emit({ name, title, description }, `${name}: ${title}. ${description}`);
      }
      return 0;
    default:
      throw new AppError("config-invalid", `There is no command "${command}".\n\n${USAGE}`);
  }
}

const argv = process.argv.slice(2);
const json = argv.includes("--json");
try {
  process.exit(await run(argv, createOutput(json)));
} catch (error) {
  reportError(error, json);
  process.exit(exitCodeOf(error));
}
