import type { AlgorithmInfo, DataKind } from "../../protocol/catalog.ts";
import { useApp } from "../../store/app.ts";
import { shown } from "../../store/failure.ts";
import { algorithmOf, useSetup } from "../../store/setup.ts";

/** The method that is being set up. */
export function useMethod(): AlgorithmInfo | undefined {
  const catalog = useApp((state) => shown(state.catalog));
  return useSetup(
    ({ given, resolved }) =>
      // A method that was just picked holds at once, before the worker has checked what follows from it.
      catalog?.algorithms.find(({ id }) => id === given["algorithm"]) ??
      algorithmOf(catalog, shown(resolved)),
  );
}

/** What its rows hold. */
export const useDataKind = (): DataKind => useMethod()?.data ?? "examples";
