import type { RunConfig } from "../config/fields.ts";
import type { Folder, Host } from "../host/host.ts";
import { hubId } from "../lib/hub.ts";

type Opener = Pick<Host, "openModel" | "openAdapter">;

/**
 * The configuration with commits in place of branches and tags: the model's in model_revision, those of an adapter and of a
 * reward model behind their names. A run keeps it, so that it goes on with the same files when the branch has moved. Files of
 * the app and of this device have no commits. Throws what opening them throws.
 */
export async function settleRevisions(host: Opener, config: RunConfig): Promise<RunConfig> {
  const { model_name: name, model_revision: revision, adapter_name_or_path: adapter } = config;
  const { revision: commit } = await host.openModel(name, revision);
  const settled: RunConfig = {
    ...config,
    // What a name says of a revision would be stronger than the setting.
    ...(commit !== undefined && { model_name: hubId(name)?.id ?? name, model_revision: commit }),
    ...(adapter !== null && {
      adapter_name_or_path: atCommit(adapter, await host.openAdapter(adapter)),
    }),
  };
  if (!("reward_model_name" in settled) || settled.reward_model_name === null) return settled;
  const reward = settled.reward_model_name;
  return { ...settled, reward_model_name: atCommit(reward, await host.openModel(reward)) };
}

const atCommit = (name: string, { revision }: Folder): string => {
  const id = hubId(name)?.id;
  return revision === undefined || id === undefined ? name : `${id}@${revision}`;
};

/**
 * A configuration that is given again for a run that goes on, with the commits that the run began with. What names another
 * repository now, or a revision of its own, stays as it is given.
 */
export function withRevisionsOf(saved: RunConfig, given: RunConfig): RunConfig {
  const name = (from: string | null, to: string | null): string | null =>
    from !== null && to !== null && isOf(from, to) ? from : to;
  const { model_name, model_revision } = saved;
  const isSame = given.model_revision === null && isOf(model_name, given.model_name);
  const config: RunConfig = {
    ...given,
    ...(isSame && { model_name, model_revision }),
    adapter_name_or_path: name(saved.adapter_name_or_path, given.adapter_name_or_path),
  };
  if (!("reward_model_name" in config && "reward_model_name" in saved)) return config;
  return { ...config, reward_model_name: name(saved.reward_model_name, config.reward_model_name) };
}

/** The second name means the repository of the first, and no revision of it. */
function isOf(saved: string, given: string): boolean {
  const id = hubId(given);
  return id !== undefined && id.revision === undefined && hubId(saved)?.id === id.id;
}
