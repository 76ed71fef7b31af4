import type { AlgorithmInfo, DataKind } from "../../protocol/messages.ts";
import { useApp } from "../../store/app.ts";
import { shown } from "../../store/failure.ts";
import { algorithmOf, useSetup } from "../../store/setup.ts";

/** The method that is being set up. */
export function useMethod(): AlgorithmInfo | undefined {
  const catalog = useApp((state) => shown(state.catalog));
  return useSetup((state) => algorithmOf(catalog, shown(state.resolved)));
}

/** What its rows hold. */
export const useDataKind = (): DataKind => useMethod()?.data ?? "examples";
