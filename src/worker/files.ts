import type { BrowserHost } from "../host/browser.ts";
import { fileAsset, fileFolder } from "../host/file_asset.ts";
import type { PickedFiles } from "../protocol/values.ts";

/** Makes picked files known to the host under the names that the configuration uses for them. */
export function registerFiles(host: BrowserHost, files: PickedFiles): void {
  if (files.dataset) host.addDataset(files.dataset.name, fileAsset(files.dataset));
  if (files.dataFolder) host.addDataFolder(files.dataFolder.name, files.dataFolder.files.map(fileAsset));
  if (files.model?.[0]) host.addModel(fileFolder(files.modelName ?? folderName(files.model[0]), files.model));
  if (files.adapter?.[0])
    host.addAdapter(fileFolder(files.adapterName ?? folderName(files.adapter[0]), files.adapter));
  for (const file of files.code ?? []) host.addCode(file.name, fileAsset(file));
}

/** The dropped folder's name where the browser tells it, else that of the file. */
function folderName(file: File): string {
  return file.webkitRelativePath.split("/")[0] || file.name;
}
