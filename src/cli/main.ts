import { AppError } from "../lib/errors.ts";
import { type Arguments, readArguments } from "./arguments.ts";
import { cluster } from "./commands/cluster.ts";
import { diagnose } from "./commands/diagnose.ts";
import { evaluate } from "./commands/evaluate.ts";
import { exportRun } from "./commands/export.ts";
import { generate } from "./commands/generate.ts";
import { recipes } from "./commands/recipes.ts";
import { train } from "./commands/train.ts";
import { upload } from "./commands/upload.ts";
import { validate } from "./commands/validate.ts";
import { installDawn } from "./dawn.ts";
import { createOutput, exitCodeOf, type Output, reportError } from "./output.ts";
import { COMMAND_USAGE, USAGE } from "./usage.ts";

/** Throws `config-invalid` when a command that needs a configuration was given nothing of one. */
function configurationOf(command: string, args: Arguments) {
  const sources = { config: args.text("config"), recipe: args.text("recipe"), set: args.texts("set") };
  const given = sources.config !== undefined || sources.recipe !== undefined || sources.set.length > 0;
  if (given || args.flag("resume")) return sources;
  throw new AppError(
    "config-invalid",
    `${command} needs --config FILE, --recipe NAME or --set KEY=VALUE.\n\n${COMMAND_USAGE[command] ?? USAGE}`,
  );
}

function generateArguments(args: Arguments) {
  const model = args.text("model");
  if (model === undefined)
    throw new AppError("config-invalid", `generate needs --model.\n\n${COMMAND_USAGE["generate"]}`);
  return {
    ...{ model, adapter: args.text("adapter"), system: args.text("system"), raw: args.flag("raw") },
    ...{ prompts: args.texts("prompt"), promptsFile: args.text("prompts") },
    maxNewTokens: args.number("max-new-tokens", 128),
    samples: args.number("samples", 1),
    sampling: {
      temperature: args.number("temperature", 0),
      top_k: args.number("top-k", 0),
      top_p: args.number("top-p", 1),
      min_p: args.number("min-p", 0),
      repetition_penalty: args.number("repetition-penalty", 1),
      seed: args.number("seed", 0),
    },
  };
}

function runFolder(command: string, args: Arguments): string {
  const [dir] = args.words;
  if (dir !== undefined) return dir;
  throw new AppError(
    "config-invalid",
    `${command} needs the folder of a run.\n\n${COMMAND_USAGE[command] ?? USAGE}`,
  );
}

function exportArguments(args: Arguments) {
  const [merged, gguf] = [args.flag("merged"), args.flag("gguf")];
  const output = args.text("output");
  if (merged === gguf || output === undefined) {
    throw new AppError(
      "config-invalid",
      `export needs --output and one of --merged and --gguf.\n\n${COMMAND_USAGE["export"]}`,
    );
  }
  const dir = runFolder("export", args);
  return { dir, merged, output, dtype: args.text("dtype"), base: args.text("base") };
}

function uploadArguments(args: Arguments) {
  const repo = args.text("repo");
  if (repo === undefined)
    throw new AppError("config-invalid", `upload needs --repo OWNER/NAME.\n\n${COMMAND_USAGE["upload"]}`);
  const [isPublic, intoExisting] = [args.flag("public"), args.flag("existing")];
  return { dir: runFolder("upload", args), repo, isPublic, intoExisting, endpoint: args.text("endpoint") };
}

async function run([command, ...rest]: readonly string[], output: Output): Promise<number> {
  if (command === undefined || command === "--help" || command === "help") {
    console.log(USAGE);
    return command === undefined ? 2 : 0;
  }
  const args = readArguments(command, rest);
  if (args.flag("help")) {
    console.log(COMMAND_USAGE[command] ?? USAGE);
    return 0;
  }
  const skipBadRows = args.flag("skip-bad-rows");
  switch (command) {
    case "validate": {
      const memory = args.flag("memory");
      if (memory) installDawn();
      return validate({ ...configurationOf(command, args), memory }, output);
    }
    case "recipes":
      return recipes(args.words[0], output);
    case "export":
      return exportRun(exportArguments(args), output);
    case "upload":
      return upload(uploadArguments(args), output);
    case "cluster": {
      const [folder] = args.words;
      const target = args.text("output");
      if (folder === undefined || target === undefined)
        throw new AppError(
          "config-invalid",
          `cluster needs the folder of a run, and --output OUT.\n\n${COMMAND_USAGE["cluster"]}`,
        );
      return cluster({ run: folder, output: target }, output);
    }
  }
  installDawn({ defaultLimits: args.flag("default-limits") });
  switch (command) {
    case "train": {
      const more = { resume: args.flag("resume"), output: args.text("output"), skipBadRows };
      return train({ ...configurationOf(command, args), ...more }, output);
    }
    case "evaluate": {
      const more = { adapter: args.text("adapter"), skipBadRows };
      return evaluate({ ...configurationOf(command, args), ...more }, output);
    }
    case "generate":
      return generate(generateArguments(args), output);
    default:
      return diagnose(output);
  }
}

/** Ctrl-C while files are downloaded ends at once, and says what is kept; what else it means is for the commands. */
function endDownloads({ downloads }: Output): void {
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      const kept = downloads.unfinished();
      if (kept !== undefined) console.error(kept);
      if (kept !== undefined || process.listenerCount(name) === 1) process.exit(130);
    });
  }
}

const json = process.argv.includes("--json");
// `--json` and `--help` may stand before the command.
const words = process.argv.slice(2);
const ahead = words.findIndex((word) => word !== "--json");
const argv = ahead > 0 ? [...words.slice(ahead), ...words.slice(0, ahead)] : words;
const output = createOutput(json);
endDownloads(output);
try {
  process.exit(await run(argv, output));
} catch (error) {
  reportError(error, json, output.downloads);
  process.exit(exitCodeOf(error));
}
