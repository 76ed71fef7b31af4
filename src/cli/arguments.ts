import { type ParseArgsConfig, parseArgs } from "node:util";
import { AppError } from "../lib/errors.ts";
import { COMMAND_USAGE, USAGE } from "./usage.ts";

type Options = NonNullable<ParseArgsConfig["options"]>;

const TEXT = { type: "string" } as const;
const TEXTS = { type: "string", multiple: true } as const;
const FLAG = { type: "boolean" } as const;
const COMMON = { json: FLAG, help: FLAG };
const DEVICE = { "default-limits": FLAG };
const CONFIGURATION = { config: TEXT, recipe: TEXT, set: TEXTS };

/** The options of each command; any other is refused. */
const COMMANDS: Readonly<Record<string, Options>> = {
  train: { ...CONFIGURATION, ...DEVICE, output: TEXT, resume: FLAG, "skip-bad-rows": FLAG },
  validate: { ...CONFIGURATION, memory: FLAG },
  evaluate: { ...CONFIGURATION, ...DEVICE, adapter: TEXT, "skip-bad-rows": FLAG },
  generate: {
    ...DEVICE,
    ...{ model: TEXT, adapter: TEXT, prompt: TEXTS, prompts: TEXT, system: TEXT, raw: FLAG },
    ...{ "max-new-tokens": TEXT, samples: TEXT, temperature: TEXT, "top-k": TEXT, "top-p": TEXT },
    ...{ "min-p": TEXT, "repetition-penalty": TEXT, seed: TEXT },
  },
  export: { merged: FLAG, gguf: FLAG, output: TEXT, dtype: TEXT, base: TEXT },
  upload: { repo: TEXT, public: FLAG, existing: FLAG, endpoint: TEXT },
  cluster: { output: TEXT },
  diagnose: DEVICE,
  recipes: {},
};

/** Commands that take a word: the name of a recipe, the folder of a run. */
const TAKES_A_WORD: ReadonlySet<string> = new Set(["recipes", "cluster", "export", "upload"]);

/** What was given on the command line, read by name. */
export interface Arguments {
  readonly words: readonly string[];
  text(name: string): string | undefined;
  texts(name: string): readonly string[];
  flag(name: string): boolean;
  /** Throws `config-invalid` for a text that is no number. */
  number(name: string, fallback: number): number;
}

/** Throws `config-invalid` for a command, an option or a word that is not known. */
export function readArguments(command: string, rest: readonly string[]): Arguments {
  const options = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
  if (!options) throw new AppError("config-invalid", `There is no command "${command}".\n\n${USAGE}`);
  const usage = COMMAND_USAGE[command] ?? USAGE;
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs({ args: [...rest], allowPositionals: true, options: { ...COMMON, ...options } });
  } catch (cause) {
    const [message] = (cause instanceof Error ? cause.message : String(cause)).split(". ");
    throw new AppError("config-invalid", `${message}.\n\n${usage}`, { cause });
  }
  const { values, positionals } = parsed;
  if (positionals.length > (TAKES_A_WORD.has(command) ? 1 : 0))
    throw new AppError("config-invalid", `Unexpected words: ${positionals.join(" ")}.\n\n${usage}`);
  return argumentsOf(positionals, values);
}

function argumentsOf(words: readonly string[], values: Readonly<Record<string, unknown>>): Arguments {
  const text = (name: string) => {
    const value = values[name];
    return typeof value === "string" ? value : undefined;
  };
  return {
    words,
    text,
    texts: (name) => {
      const value = values[name];
      return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
    },
    flag: (name) => values[name] === true,
    number: (name, fallback) => {
      const given = text(name);
      if (given === undefined) return fallback;
      const value = Number(given);
      if (given.trim() === "" || !Number.isFinite(value))
        throw new AppError("config-invalid", `--${name} must be a number, and is "${given}".`);
      return value;
    },
  };
}
