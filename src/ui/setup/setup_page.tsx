import { FileDown, FileUp } from "lucide-react";
import { lazy, Suspense, useEffect, useState } from "react";
import { useApp } from "../../store/app.ts";
import { shown } from "../../store/failure.ts";
import { useSetup } from "../../store/setup.ts";
import { newSetup } from "../../store/setup_actions.ts";
import { openSetup } from "../../store/setup_refresh.ts";
import { writeYaml } from "../../store/yaml_edit.ts";
import { ErrorCard } from "../errors/error_card.tsx";
import { OpenButton } from "../import/open_button.tsx";
import { saveText } from "../parts/save_file.ts";
import { Segmented } from "../parts/segmented.tsx";
import { useChord } from "./chord.ts";
import { DataSection } from "./data_section.tsx";
import { MethodSection } from "./method_section.tsx";
import { ModelSection } from "./model_section.tsx";
import { SettingsSection } from "./settings_section.tsx";
import { Summary } from "./summary.tsx";
import { useDataKind } from "./use_method.ts";
import { YamlView } from "./yaml_view.tsx";
import "../styles/hub.css";
import "../styles/setup.css";

const RewardsSection = lazy(async () => ({
  default: (await import("../rewards/rewards_section.tsx")).RewardsSection,
}));

type View = "form" | "yaml";

/** A run before it starts: one document, as a form or as YAML. */
export function SetupPage() {
  const [view, setView] = useState<View>("form");
  const failed = useSetup((state) => (state.resolved.state === "failed" ? state.resolved.error : null));
  const exportYaml = async () => {
    const file = await writeYaml();
    if (file) saveText(file.fileName, file.yaml, "text/yaml");
    else setView("yaml");
  };
  useEffect(openSetup, []);
  const learnsFromRewards = useDataKind() === "prompts";
  useChord("s", () => void exportYaml());
  return (
    <div className="page setup">
      <div className="setup-head">
        <h1>New run</h1>
        <Segmented
          label="Edit as"
          value={view}
          onChange={setView}
          options={[
            { value: "form", label: "Form" },
            { value: "yaml", label: "YAML" },
          ]}
        />
        <RecipeSelect />
        <OpenButton accept=".yaml,.yml,.json">
          <FileUp size={16} aria-hidden />
          Import
        </OpenButton>
        <button type="button" className="button" onClick={() => void exportYaml()}>
          <FileDown size={16} aria-hidden />
          Export
        </button>
      </div>
      <div className="setup-columns">
        <div className="stack setup-main">
          {failed && <ErrorCard failure={failed} compact />}
          {view === "yaml" ? (
            <YamlView />
          ) : (
            <>
              <MethodSection />
              <ModelSection />
              <DataSection />
              {learnsFromRewards && (
                <Suspense
                  fallback={<section className="card setup-section rewards-waiting" aria-label="Rewards" />}
                >
                  <RewardsSection />
                </Suspense>
              )}
              <SettingsSection />
            </>
          )}
        </div>
        <Summary isForm={view === "form"} />
      </div>
    </div>
  );
}

function RecipeSelect() {
  const catalog = useApp((state) => shown(state.catalog));
  const recipe = useSetup((state) => state.recipe);
  return (
    <label className="recipe-select">
      <span className="hidden">Recipe</span>
      <select
        className="select"
        value={recipe ?? ""}
        onChange={(event) => newSetup(event.target.value === "" ? null : event.target.value)}
      >
        <option value="">No recipe</option>
        {(catalog?.recipes ?? []).map(({ id, title }) => (
          <option key={id} value={id}>
            {title}
          </option>
        ))}
      </select>
    </label>
  );
}
