import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { AppError } from "../lib/errors.ts";
import { readModelSpec } from "../model/registry.ts";
import { publicDir } from "./public_dir.ts";
import { type RandomDtype, randomTensors } from "./random_model/random_tensors.ts";
import { SHAPES } from "./random_model/shapes.ts";
import { writeModel } from "./random_model/write_model.ts";

const USAGE = `npm run make-random-model -- DIR (--shape NAME | --config FILE) [--dtype BF16|F16|F32] [--seed N]
                             [--deviation X] [--shard-size MB]

Writes a model folder in the Hugging Face layout with random weights: shards with an index, config.json, and the tokenizer
of the embedded model, so that it can be trained. It is as large, as fast and as slow as the published model of that shape.
Weights are normal with a deviation of 0.02, those of norms one. --config takes any config.json of a supported
architecture. A shard has at most a third of the model, and 500 MB, where --shard-size does not say otherwise.

Shapes: ${Object.keys(SHAPES).join(", ")}`;

const DTYPES: Readonly<Record<RandomDtype, string>> = { BF16: "bfloat16", F16: "float16", F32: "float32" };
const MEGABYTE = 1e6;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      ...{ shape: { type: "string" }, config: { type: "string" }, help: { type: "boolean" } },
      ...{ dtype: { type: "string", default: "BF16" }, seed: { type: "string", default: "0" } },
      ...{ deviation: { type: "string", default: "0.02" }, "shard-size": { type: "string" } },
    },
  });
  const [dir, ...more] = positionals;
  if (values.help || dir === undefined || more.length > 0) {
    console.log(USAGE);
    return values.help ? 0 : 2;
  }
  const dtype = Object.keys(DTYPES).find((name): name is RandomDtype => name === values.dtype);
  if (!dtype) throw refused(`--dtype is ${values.dtype}; it can be ${Object.keys(DTYPES).join(", ")}.`);
  const tokenizer = join(publicDir(), "models/aligntune-tiny");
  const given = await shapeOf(values.shape, values.config);
  const config = { ...given, ...(await specialTokens(tokenizer)), torch_dtype: DTYPES[dtype] };
  const seed = numberOf("seed", values.seed);
  const deviation = numberOf("deviation", values.deviation);
  const tensors = randomTensors(readModelSpec(config), { dtype, seed, deviation });
  const total = tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const size = values["shard-size"];
  const shardBytes =
    size === undefined ? Math.min(total / 3, 500 * MEGABYTE) : numberOf("shard-size", size) * MEGABYTE;
  const files = await writeModel(dir, config, tensors, { shardBytes, tokenizer });
  console.log(
    `${dir}: ${tensors.length} tensors, ${(total / MEGABYTE).toFixed(1)} MB of ${dtype} in ${files.length} files`,
  );
  return 0;
}

async function shapeOf(
  shape: string | undefined,
  file: string | undefined,
): Promise<Readonly<Record<string, unknown>>> {
  if ((shape === undefined) === (file === undefined)) throw refused("Give either --shape or --config.");
  if (file !== undefined) {
    if (!(await stat(file).catch(() => undefined))?.isFile()) throw refused(`There is no file ${file}.`);
    return JSON.parse(await readFile(file, "utf8"));
  }
  const known = shape === undefined ? undefined : SHAPES[shape];
  if (known) return known;
  throw refused(`There is no shape ${shape}. There are: ${Object.keys(SHAPES).join(", ")}.`);
}

/** The ids that the tokenizer's own model ends and pads with. */
async function specialTokens(tokenizer: string): Promise<Readonly<Record<string, unknown>>> {
  const config = JSON.parse(await readFile(join(tokenizer, "config.json"), "utf8"));
  const { bos_token_id, eos_token_id, pad_token_id } = config;
  return { bos_token_id, eos_token_id, pad_token_id };
}

function numberOf(name: string, text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value) && value >= 0) return value;
  throw refused(`--${name} is ${text}; it must be a number, zero or more.`);
}

function refused(message: string): AppError {
  return new AppError("config-invalid", message);
}

try {
  process.exitCode = await main();
} catch (error) {
  const isForPeople = error instanceof AppError || (error instanceof TypeError && "code" in error);
  if (!isForPeople) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
