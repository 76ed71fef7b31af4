import { openAsBlob } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type UploadFile, uploadToHub } from "../../host/hub_upload.ts";
import { hubFromEnvironment } from "../../host/node.ts";
import { AppError } from "../../lib/errors.ts";
import { HUB_ENDPOINT, uploadTarget } from "../../lib/hub.ts";
import type { Output } from "../output.ts";
import { CONFIG, EXPORTED } from "../run_folder.ts";

export interface UploadArguments {
  readonly dir: string;
  readonly repo: string;
  readonly isPublic: boolean;
  readonly intoExisting: boolean;
  readonly endpoint: string | undefined;
}

/** `aligntune upload`: the result of a run to a repository of the hub. HF_ENDPOINT, which may name a mirror, has no say. */
export async function upload(args: UploadArguments, output: Output): Promise<number> {
  const { dir, repo, isPublic, intoExisting } = args;
  const endpoint = uploadTarget(args.endpoint ?? HUB_ENDPOINT);
  const hub = hubFromEnvironment();
  if (!hub)
    throw new AppError("config-invalid", "HF_HUB_OFFLINE is set, so no hub is asked. Unset it to upload.");
  const names = await resultOf(dir);
  const files: UploadFile[] = [];
  for (const path of names) files.push({ path, content: await openAsBlob(join(dir, path)) });
  const where = isPublic ? "public" : intoExisting ? "as the repository is" : "private";
  output.say(`To ${endpoint}/${repo} (${where}):`);
  for (const { path, content } of files) output.say(`  ${path} (${content.size} bytes)`);
  let said: string | undefined;
  const result = await uploadToHub({
    ...{ endpoint, repo, isPublic, intoExisting, files },
    token: hub.token ?? "",
    onProgress: ({ state, file }) => {
      const line = file === null ? state : `${state} ${file}`;
      if (line !== said) output.say(line);
      said = line;
    },
  });
  output.emit({ state: "done", ...result, files: names }, `Uploaded to ${result.url}`);
  return 0;
}

/** What the run handed out, and its configuration: no data, no answers, no checkpoints. */
async function resultOf(dir: string): Promise<string[]> {
  const found = await readdir(dir).catch((cause: unknown) => {
    throw new AppError("file-missing", `There is no folder ${dir}. Give the folder of a run.`, { cause });
  });
  const names = found.filter((name) => EXPORTED.test(name) || name === CONFIG).sort();
  if (names.some((name) => name.endsWith(".safetensors"))) return names;
  throw new AppError(
    "file-missing",
    `${dir} holds neither an adapter nor a model, so there is nothing to upload.`,
    {
      details: { found },
    },
  );
}
