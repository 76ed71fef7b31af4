import { ALGORITHM_TITLES, type Algorithm } from "../../src/config/algorithm.ts";
import { fieldData } from "../../src/config/fields.ts";
import type { AlgorithmInfo } from "../../src/protocol/catalog.ts";
import { METHODS } from "../../src/worker/methods.ts";

/** A method as the worker's catalogue says it. */
export const methodInfo = (id: Algorithm): AlgorithmInfo => ({
  ...{ id, label: ALGORITHM_TITLES[id], fields: fieldData(id) },
  ...METHODS[id],
});
