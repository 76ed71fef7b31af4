import type { HubAnswer, HubRequest } from "./worker.ts";

export interface HubStorePage {
  /** In a worker of its own, as after a reload. */
  ask(request: HubRequest): Promise<HubAnswer>;
  /** Cuts every file of the store to this length. */
  cut(length: number): Promise<number>;
}

const page: HubStorePage = {
  ask: (request) =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
      worker.addEventListener("error", ({ message }) => reject(new Error(message)));
      worker.addEventListener("message", ({ data }: MessageEvent<HubAnswer>) => {
        worker.terminate();
        resolve(data);
      });
      worker.postMessage(request);
    }),
  cut: async (length) => {
    const top = await (await navigator.storage.getDirectory()).getDirectoryHandle("hub");
    let count = 0;
    for await (const folder of top.values()) {
      for await (const file of (folder as FileSystemDirectoryHandle).values()) {
        const stream = await (file as FileSystemFileHandle).createWritable({ keepExistingData: true });
        await stream.truncate(length);
        await stream.close();
        count += 1;
      }
    }
    return count;
  },
};
Object.assign(globalThis, { hubStorePage: page });
