import { access } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { ggufFile, mergedFiles } from "../../api/export_saved.ts";
import type { FloatDtype } from "../../formats/dtype.ts";
import { verifyExport } from "../../formats/verify_export.ts";
import type { Asset } from "../../host/host.ts";
import { nodeFolder } from "../../host/node_files.ts";
import { AppError } from "../../lib/errors.ts";
import type { Output } from "../output.ts";
import { CONFIG, checkUnused, makeFolder, writeWhole } from "../run_folder.ts";
import { openSavedRun } from "../saved_run.ts";

export interface ExportArguments {
  readonly dir: string;
  /** Else the adapter as GGUF. */
  readonly merged: boolean;
  readonly output: string;
  readonly dtype: string | undefined;
  readonly base: string | undefined;
}

const DTYPES: Readonly<Record<string, FloatDtype>> = { bf16: "BF16", f16: "F16", f32: "F32" };

/** `aligntune export`: what a run has learned in a form that other programs load, read back before it is called done. */
export async function exportRun(args: ExportArguments, output: Output): Promise<number> {
  return args.merged ? exportMerged(args, output) : exportGguf(args, output);
}

async function exportMerged(args: ExportArguments, output: Output): Promise<number> {
  const { dir, output: out } = args;
  const dtype = args.dtype === undefined ? "stored" : DTYPES[args.dtype];
  if (dtype === undefined)
    throw new AppError("config-invalid", `--dtype is ${args.dtype}; it must be one of bf16, f16, f32.`);
  await checkUnused(out, undefined);
  if (await exists(join(out, CONFIG)))
    throw new AppError("config-invalid", `${out} is the folder of a run. Give another one with --output.`);
  const run = await openSavedRun(dir, args.base, output.downloads);
  const files = await mergedFiles(run, { dtype });
  await makeFolder(out);
  for (const file of files) await save(out, file, output);
  await verifyExport(nodeFolder(out), files);
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  output.emit(
    { state: "done", output: out, bytes, files: files.map(({ name }) => name) },
    `The merged model is in ${out}: ${megabytes(bytes)}, read back and compared.`,
  );
  return 0;
}

async function exportGguf(
  { dir, output: out, dtype, base }: ExportArguments,
  output: Output,
): Promise<number> {
  if (dtype !== undefined) throw new AppError("config-invalid", "--gguf is always f32; leave out --dtype.");
  if (!out.endsWith(".gguf"))
    throw new AppError("config-invalid", `--output is ${out}; the file of --gguf must end in .gguf.`);
  if (await exists(out))
    throw new AppError("config-invalid", `${out} is there already. Give another name with --output.`);
  const { model, adapter } = await openSavedRun(dir, base, output.downloads);
  if (!adapter) {
    throw new AppError(
      "config-invalid",
      `${dir} holds all weights of a model, so there is no adapter. Convert the model with llama.cpp's convert_hf_to_gguf.py.`,
    );
  }
  const file = await ggufFile({ model, adapter }, basename(out));
  await makeFolder(dirname(out));
  await save(dirname(out), file, output);
  await verifyExport(nodeFolder(dirname(out)), [file]);
  output.emit(
    { state: "done", output: out, bytes: file.size },
    `The adapter is in ${out}: ${megabytes(file.size)}, read back and compared. Use it with llama-cli -m BASE.gguf --lora ${out}`,
  );
  return 0;
}

async function save(dir: string, file: Asset, output: Output): Promise<void> {
  output.say(`${join(dir, file.name)} (${megabytes(file.size)})`);
  await writeWhole(join(dir, file.name), file, "then export again");
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes < 1e6 ? 3 : 1)} MB`;

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
