import { Plus, Trash2 } from "lucide-react";
import { type DatasetEntry, ENTRY_KEYS } from "../../config/dataset_entries.ts";
import { shown } from "../../store/failure.ts";
import { settingOf, useSetup } from "../../store/setup.ts";
import { setSetting } from "../../store/setup_actions.ts";
import { Field } from "./field.tsx";
import { useMethod } from "./use_method.ts";

const KEY = "more_datasets";
const isEntry = (value: unknown): value is DatasetEntry =>
  typeof value === "object" && value !== null && "name" in value;

/** Datasets that are trained on beside the first, each with what it has for itself. */
export function MoreDatasets() {
  const value = useSetup((state) => settingOf(shown(state.resolved), state.given, KEY));
  const fields = useMethod()?.fields;
  const issues = useSetup((state) => shown(state.resolved)?.issues);
  const entries = Array.isArray(value) ? value.filter(isEntry) : [];
  const set = (next: readonly DatasetEntry[]) => setSetting(KEY, next.length === 0 ? undefined : next);
  const issueOf = (place: string) => issues?.find(({ path }) => path === `${KEY}.${place}`)?.message;
  return (
    <div className="stack tight">
      {entries.map((entry, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a dataset is its place in the list.
        <fieldset key={i} className="field-group">
          <legend>Dataset {i + 2}</legend>
          <div className="field-grid">
            {Object.entries(ENTRY_KEYS).map(([key, own]) => {
              const field = fields?.find((one) => one.key === key);
              if (!field) return null;
              const given = entry[own];
              return (
                <Field
                  key={own}
                  field={field}
                  id={`dataset-${i + 2}-${own}`}
                  value={given ?? (own === "name" ? "" : field.default)}
                  source={own === "name" || given === undefined ? "default" : "override"}
                  issue={issueOf(`${i}.${own}`)}
                  onChange={(next) => set(entries.with(i, withValue(entry, own, next)))}
                />
              );
            })}
          </div>
          <div>
            <button
              type="button"
              className="button"
              aria-label={`Remove dataset ${i + 2}`}
              onClick={() => set(entries.filter((_, j) => j !== i))}
            >
              <Trash2 size={16} aria-hidden /> Remove
            </button>
          </div>
        </fieldset>
      ))}
      <div>
        <button type="button" className="button" onClick={() => set([...entries, { name: "" }])}>
          <Plus size={16} aria-hidden /> Add a dataset
        </button>
      </div>
    </div>
  );
}

/** The name may be empty while it is typed; anything else that is taken back is left out. */
function withValue(entry: DatasetEntry, key: keyof DatasetEntry, value: unknown): DatasetEntry {
  if (key === "name") return { ...entry, name: typeof value === "string" ? value : "" };
  const { [key]: _before, ...rest } = entry;
  return (value === undefined || value === null ? rest : { ...rest, [key]: value }) as DatasetEntry;
}
