import { useState } from "react";
import type { HeroMetric } from "../../protocol/catalog.ts";
import type { RunView } from "../../store/runs.ts";
import { Tabs } from "../parts/segmented.tsx";
import { Checkpoints } from "./checkpoints.tsx";
import { ConfigTab } from "./config_tab.tsx";
import { LogTab } from "./log_tab.tsx";

const PANEL = "run-panel";
type Tab = "checkpoints" | "config" | "log";

/** What a run has kept: checkpoints, its configuration, its log. */
export function RunTabs({ run, headline }: { run: RunView; headline: HeroMetric }) {
  const [tab, setTab] = useState<Tab>("checkpoints");
  return (
    <section className="run-tabs" aria-label="What the run has kept">
      <Tabs
        label="What the run has kept"
        panel={PANEL}
        value={tab}
        onChange={setTab}
        options={[
          { value: "checkpoints", label: `Checkpoints (${run.checkpoints.length})` },
          { value: "config", label: "Config" },
          { value: "log", label: "Log" },
        ]}
      />
      <div id={PANEL} role="tabpanel" aria-labelledby={`${PANEL}-${tab}`} className="tab-panel">
        {tab === "checkpoints" && <Checkpoints run={run} headline={headline} />}
        {tab === "config" && <ConfigTab run={run} />}
        {tab === "log" && <LogTab run={run} />}
      </div>
    </section>
  );
}
