import { create } from "zustand";

/** What the page knows about being kept on this device. */
export interface OfflineState {
  /** True once the app, the embedded model and the datasets open and run with the network off. */
  readonly ready: boolean;
  /** True while a newer version is stored and waits. It is used at the next load; never during a run. */
  readonly updateWaiting: boolean;
}

/** For the page's offline chip and update notice. */
export const useOffline = create<OfflineState>()(() => ({ ready: false, updateWaiting: false }));

/**
 * Keeps the app on this device for use without a network. To be called once, when the page starts.
 *
 * A newer version that was stored during an earlier visit is put to use now, before anything runs, by one reload. One
 * that arrives later waits (`updateWaiting`). In development, and where the browser has no service worker, nothing
 * happens.
 */
export function registerOffline(): void {
  if (!import.meta.env.PROD || !("serviceWorker" in navigator)) return;
  // A private window or a full disk may refuse; the page works without.
  register(navigator.serviceWorker).catch(() => undefined);
}

async function register(container: ServiceWorkerContainer): Promise<void> {
  const registration = await container.register(new URL("service_worker.js", document.baseURI));
  if (registration.waiting !== null && container.controller !== null)
    switchTo(container, registration.waiting);
  registration.addEventListener("updatefound", () => {
    const installing = registration.installing;
    installing?.addEventListener("statechange", () => {
      if (installing.state === "installed" && container.controller !== null) {
        useOffline.setState({ updateWaiting: true });
      }
    });
  });
  await container.ready;
  useOffline.setState({ ready: true });
}

/** Asks the waiting version to take over, and loads the page again once it has. It refuses while another page is open. */
function switchTo(container: ServiceWorkerContainer, waiting: ServiceWorker): void {
  container.addEventListener("controllerchange", () => location.reload(), { once: true });
  waiting.postMessage("use this version");
  useOffline.setState({ updateWaiting: true });
}
