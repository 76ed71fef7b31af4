import { createHub } from "../../../src/host/hub.ts";
import { opfsHubStore } from "../../../src/host/opfs_store.ts";
import { openDatabase } from "../../../src/storage/database.ts";

/** What the test asks of the app's own modules, in a worker as the app runs them. */
export interface HubRequest {
  readonly endpoint: string;
  readonly token?: string;
  readonly id: string;
  readonly file: string;
}

export interface HubAnswer {
  /** Bytes that were on this device before. */
  readonly before: number;
  readonly after: number;
  /** The sum of all bytes, of a file that came. */
  readonly sum: number | null;
  readonly verified: boolean;
  readonly error: { readonly code: string; readonly message: string } | null;
}

async function answer({ endpoint, token, id, file }: HubRequest): Promise<HubAnswer> {
  const db = await openDatabase("hub-store");
  const store = opfsHubStore(db, () => Date.now());
  const hub = createHub({ endpoint, token, retryDelays: [1], inPage: true }, store);
  const state = { before: 0, after: 0, sum: null as number | null };
  let error: HubAnswer["error"] = null;
  try {
    const asset = await (await hub.openModel(id)).open(file);
    if (!asset?.stored) throw new Error(`${file} is not kept`);
    state.before = asset.stored.bytes();
    try {
      const bytes = await asset.read(0, asset.size);
      state.sum = bytes.reduce((sum, byte) => sum + byte, 0);
    } finally {
      state.after = asset.stored.bytes();
    }
  } catch (cause) {
    const { code = "", message } = cause as Error & { code?: string };
    error = { code, message };
  }
  const files = (await store.list()).flatMap((entry) => entry.files);
  db.close();
  return { ...state, error, verified: files.some(({ path, verified }) => path === file && verified) };
}

self.addEventListener("message", async ({ data }: MessageEvent<HubRequest>) => {
  self.postMessage(await answer(data));
});
