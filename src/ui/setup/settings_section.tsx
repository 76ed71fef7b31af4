import { Search } from "lucide-react";
import { useMemo, useState } from "react";
import type { FieldData } from "../../config/fields.ts";
import { shown } from "../../store/failure.ts";
import { isChanged, settingOf, useSetup } from "../../store/setup.ts";
import { plural } from "../format.ts";
import { Segmented } from "../parts/segmented.tsx";
import { Field } from "./field.tsx";
import { BASIC_KEYS, GROUP_LABELS, isListed, matches } from "./labels.ts";
import { useDataKind, useMethod } from "./use_method.ts";

type View = "basic" | "all";

/** The settings that most people change, or all of them with a search. */
export function SettingsSection() {
  const method = useMethod();
  const resolved = useSetup((state) => shown(state.resolved));
  const [view, setView] = useState<View>("basic");
  const [query, setQuery] = useState("");
  const fields = method?.fields ?? [];
  const listed = fields.filter(isListed);
  const changed = listed.filter((field) => isChanged(resolved, field)).length;
  const wrong = new Set(resolved?.issues.map(({ path }) => path.split(".")[0]));
  const keys = BASIC_KEYS[useDataKind()];
  const basic = keys.flatMap((key) => listed.filter((field) => field.key === key));
  // A setting that is wrong is in sight in both views.
  const visible =
    view === "basic" ? [...basic, ...listed.filter(({ key }) => wrong.has(key) && !keys.includes(key))] : [];

  return (
    <section
      className="card setup-section"
      id="section-settings"
      aria-labelledby="settings-title"
      tabIndex={-1}
    >
      <div className="row wrap between">
        <h2 id="settings-title">Settings</h2>
        <div className="row wrap">
          {changed > 0 && (
            <span className="muted small">{plural(changed, "setting")} changed from default</span>
          )}
          <Segmented
            label="Which settings"
            value={view}
            onChange={setView}
            options={[
              { value: "basic", label: "Basic" },
              { value: "all", label: "All settings" },
            ]}
          />
        </div>
      </div>
      {view === "basic" ? (
        <div className="field-grid">
          {visible.map((field) => (
            <SettingField key={field.key} field={field} />
          ))}
        </div>
      ) : (
        <AllSettings fields={listed} query={query} onQuery={setQuery} />
      )}
    </section>
  );
}

interface AllSettingsProps {
  readonly fields: readonly FieldData[];
  readonly query: string;
  readonly onQuery: (query: string) => void;
}

function AllSettings({ fields, query, onQuery }: AllSettingsProps) {
  const found = useMemo(() => fields.filter((field) => matches(field, query)), [fields, query]);
  const groups = useMemo(() => [...new Set(found.map(({ group }) => group))], [found]);
  return (
    <>
      <label className="search">
        <Search size={16} aria-hidden />
        <span className="hidden">Search the settings</span>
        <input
          type="search"
          className="input"
          data-search
          placeholder="Search: rate, warm-up, lora_alpha…"
          value={query}
          onChange={(event) => onQuery(event.target.value)}
        />
      </label>
      {found.length === 0 && <p className="muted">No setting fits “{query}”.</p>}
      {groups.map((group) => (
        <fieldset key={group} className="field-group">
          <legend>{GROUP_LABELS[group]}</legend>
          <div className="field-grid">
            {found
              .filter((field) => field.group === group)
              .map((field) => (
                <SettingField key={field.key} field={field} />
              ))}
          </div>
        </fieldset>
      ))}
    </>
  );
}

function SettingField({ field }: { field: FieldData }) {
  const { key } = field;
  const value = useSetup((state) => settingOf(shown(state.resolved), state.given, key));
  const source = useSetup((state) => {
    const origin = shown(state.resolved);
    // A value that a file spells out as it is by default is not a change.
    if (!isChanged(origin, field)) return "default";
    return key in state.given ? "override" : (origin?.values[key]?.source ?? "default");
  });
  const issue = useSetup((state) => {
    const found = shown(state.resolved)?.issues.find(
      ({ path }) => path === key || path.startsWith(`${key}.`),
    );
    if (!found) return undefined;
    const message = found.message.startsWith(`${key} `)
      ? `${field.label}${found.message.slice(key.length)}`
      : found.message;
    return `${message}${found.suggestion ? ` Did you mean ${found.suggestion}?` : ""}`;
  });
  // A value that was worked out from others is not one that the person has to keep.
  const given = source === "default" && field.nullable ? (field.default ?? null) : (value ?? field.default);
  return <Field field={field} value={given} source={source} issue={issue} />;
}
