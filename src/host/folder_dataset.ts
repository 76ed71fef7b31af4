import { invariant } from "../lib/errors.ts";
import type { Asset, DatasetAsset, DatasetPart } from "./host.ts";
import { chooseFiles, datasetLayout } from "./hub_dataset.ts";
import { assetText } from "./text.ts";

/** A folder of data files of this device. */
export interface DataFolder {
  readonly name: string;
  /** Paths within the folder, with slashes. */
  readonly paths: readonly string[];
  open(path: string): Promise<Asset>;
}

/**
 * The files of a folder that are the split that is meant: as a repository of the hub is laid out, or each file a split that is
 * called as the file is. Throws `config-invalid` for a split that there is not, `dataset-invalid` for a folder without data.
 */
export async function openDataFolder(folder: DataFolder, part: DatasetPart): Promise<DatasetAsset> {
  const { name, paths } = folder;
  const layout = await datasetLayout(name, {
    paths,
    local: true,
    readReadme: async () =>
      paths.includes("README.md") ? assetText(await folder.open("README.md")) : undefined,
    readConverted: () => Promise.resolve(undefined),
  });
  const chosen = chooseFiles(name, part, layout);
  const assets: Asset[] = [];
  for (const path of chosen.paths) assets.push({ ...(await folder.open(path)), name: path });
  const [first, ...more] = assets;
  invariant(first !== undefined, "a split has a file");
  return { ...first, more, local: true, part: chosen.part };
}
