import type { RunConfig } from "../config/fields.ts";
import type { RewardSpec } from "../config/rewards.ts";
import { openModelFolder } from "../formats/model_folder.ts";
import type { Host } from "../host/host.ts";
import { AppError } from "../lib/errors.ts";
import type { RewardTrialResult } from "../protocol/setup.ts";
import { createScorer, type Scorer } from "../rewards/scorer.ts";
import { loadDataset } from "../trainer/load_dataset.ts";
import { loadTextTools } from "../trainer/prepare_data.ts";

type TrialHost = Pick<Host, "openModel" | "openDataset" | "readText" | "userCode" | "log" | "now">;

interface Trial {
  /** Its place in the list of rewards. */
  readonly reward: number;
  readonly row: number;
  readonly completion: string;
}

/** Rewards on single answers, as a run would score them. The last one stays open: Python takes seconds to start. */
export class RewardTrials {
  readonly #host: TrialHost;
  #key = "";
  #scorer: Scorer | undefined;

  constructor(host: TrialHost) {
    this.#host = host;
  }

  /**
   * Throws `config-invalid` when there is no such reward, `dataset-invalid` when there is no such row, `user-code-invalid`
   * for code that cannot be loaded. What the code does wrong when it is called is in the result.
   */
  async run(config: RunConfig, { reward, row, completion }: Trial): Promise<RewardTrialResult> {
    const spec = "rewards" in config ? config.rewards[reward] : undefined;
    if (!spec || !("max_completion_length" in config))
      throw new AppError("config-invalid", `There is no reward ${reward + 1} to try.`);
    const { max_completion_length: maxCompletionLength } = config;
    const host = this.#host;
    const { folder } = await openModelFolder(await host.openModel(config.model_name, config.model_revision));
    const tools = await loadTextTools(folder, config);
    const dataset = await loadDataset(host, config, tools.template !== undefined, true);
    const { train, validation, test, stream } = dataset;
    // The same rows as are shown: renderDataRow.
    const rows = stream
      ? train
      : [...train, ...validation, ...test].toSorted((a, b) => a.rowIndex - b.rowIndex);
    const example = rows[row];
    if (example?.kind !== "prompt")
      throw new AppError(
        "dataset-invalid",
        `There are ${rows.length} rows; row ${row + 1} is not among them.`,
      );
    const completionIds = [...tools.tokenizer.encode(completion, { addSpecialTokens: false })];
    const scorer = await this.#open(spec, maxCompletionLength);
    scorer.logs();
    const { rewards } = await scorer.score([
      {
        ...{ prompt: example.prompt, completion, completionIds, row: example.row },
        ...{ reference: example.reference, truncated: completionIds.length > maxCompletionLength },
      },
    ]);
    const [scores] = rewards;
    const error = scores?.errors[0];
    return {
      value: scores?.values[0] ?? null,
      error: error ? { message: error.message, line: error.line ?? null } : null,
      milliseconds: scores?.milliseconds ?? 0,
      logs: Object.values(scorer.logs()).flat(),
    };
  }

  async #open(spec: RewardSpec, maxCompletionLength: number): Promise<Scorer> {
    const key = JSON.stringify([spec, maxCompletionLength]);
    if (this.#scorer && key === this.#key) return this.#scorer;
    this.close();
    const { userCode, readText, now } = this.#host;
    this.#scorer = await createScorer([spec], { userCode, readFile: readText, now, maxCompletionLength });
    this.#key = key;
    return this.#scorer;
  }

  close(): void {
    this.#scorer?.close();
    this.#scorer = undefined;
  }
}
