import type { DatasetAsset, Folder } from "./host.ts";
import type { Hub } from "./hub.ts";

/**
 * The same hub, which asks once for each name: while a run is set up, its model and data are opened again at every change.
 * What it answered holds as long as the tab, so that all of a run comes from one commit. Failures are asked again.
 */
export function rememberedHub(hub: Hub): Hub {
  const models = new Map<string, Promise<Folder>>();
  const datasets = new Map<string, Promise<DatasetAsset>>();
  const forget = () => {
    models.clear();
    datasets.clear();
  };
  return {
    ...hub,
    lookUp: (kind, name, revision, fresh) => {
      if (fresh) forget();
      return hub.lookUp(kind, name, revision, fresh);
    },
    layoutOf: (name, revision, fresh) => {
      if (fresh) forget();
      return hub.layoutOf(name, revision, fresh);
    },
    openModel: (name, revision) =>
      once(models, JSON.stringify([name, revision ?? null]), async () =>
        rememberedFolder(await hub.openModel(name, revision)),
      ),
    openDataset: (name, part) =>
      once(datasets, JSON.stringify([name, part]), () => hub.openDataset(name, part)),
  };
}

function rememberedFolder(folder: Folder): Folder {
  const files = new Map<string, ReturnType<Folder["open"]>>();
  return { ...folder, open: (file) => once(files, file, () => folder.open(file)) };
}

function once<T>(known: Map<string, Promise<T>>, key: string, ask: () => Promise<T>): Promise<T> {
  const before = known.get(key);
  if (before !== undefined) return before;
  const answer = ask();
  known.set(key, answer);
  answer.catch(() => known.delete(key));
  return answer;
}
