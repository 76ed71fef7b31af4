import { create } from "zustand";
import type { DownloadProgress } from "../protocol/hub.ts";

/** What arrives from a hub just now, and what arrived in this visit, by repository. */
export interface DownloadsState {
  readonly byKey: Readonly<Record<string, DownloadProgress>>;
}

export const useDownloads = create<DownloadsState>(() => ({ byKey: {} }));

/** One report of the worker. A rate that is not known any more is the last one that was. */
export function withProgress(state: DownloadsState, progress: DownloadProgress): DownloadsState {
  const rate = progress.rate ?? state.byKey[progress.key]?.rate;
  const { key, name, done, total } = progress;
  return {
    byKey: { ...state.byKey, [key]: { key, name, done, total, ...(rate !== undefined && { rate }) } },
  };
}

/** Nothing is on its way any more: it arrived, or broke off. */
export const clearDownloads = (): void => useDownloads.setState({ byKey: {} });

/** Whether bytes are still to come. */
export const isArriving = ({ done, total }: DownloadProgress): boolean => done < total;

/** Seconds until all is here, at the rate of now; null when that is not known. */
export const secondsLeft = ({ done, total, rate }: DownloadProgress): number | null =>
  rate === undefined || rate <= 0 ? null : Math.max(0, total - done) / rate;
