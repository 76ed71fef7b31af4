import type { FieldData } from "../config/fields.ts";
import type { AlgorithmInfo, DatasetInfo } from "../protocol/catalog.ts";
import type { ResolvedSettings } from "../protocol/setup.ts";
import type { SetupDocument } from "./setup.ts";

/** Of a recipe, which is made for one method, only what is about the model holds for another. */
const OF_THE_MODEL = new Set<FieldData["group"]>(["model", "lora"]);
/** What a rate, a distance or a length is worth depends on the method, whatever the setting is called. */
const OF_THE_METHOD = new Set(["algorithm", "learning_rate", "beta", "loss_type", "run_name"]);

const isOfTheModel = ({ key, group }: FieldData): boolean => OF_THE_MODEL.has(group) || key === "backend";

const isSame = (a: FieldData, b: FieldData): boolean =>
  JSON.stringify([a.default, a.control]) === JSON.stringify([b.default, b.control]);

/**
 * The document for another method. Kept is what means the same there: the model, and the settings that the person chose
 * and that both methods have with the same default. The learning rate is the new method's own. A sample data set goes when
 * its rows are of another kind; a file stays, since its columns may fit.
 */
export function switchMethod(
  { files }: Pick<SetupDocument, "files">,
  resolved: ResolvedSettings,
  [from, to]: readonly [AlgorithmInfo, AlgorithmInfo],
  datasets: readonly DatasetInfo[],
): Pick<SetupDocument, "given" | "recipe"> {
  const next = new Map(to.fields.map((field) => [field.key, field]));
  const sample = datasets.find(({ id }) => id === resolved.values["dataset_name"]?.value);
  const keepsData =
    from.data === to.data || ((files.dataset ?? files.dataFolder) !== undefined && sample === undefined);
  const kept = from.fields.flatMap((field) => {
    const { key } = field;
    const origin = resolved.values[key];
    const other = next.get(key);
    if (!origin || !other || origin.source === "default" || OF_THE_METHOD.has(key)) return [];
    const isWanted =
      field.group === "data"
        ? keepsData && (key === "dataset_name" || isSame(field, other))
        : isSame(field, other) && (origin.source !== "recipe" || isOfTheModel(field));
    return isWanted ? [[key, origin.value] as const] : [];
  });
  return { given: { ...Object.fromEntries(kept), algorithm: to.id }, recipe: null };
}
