import { sftOptions, sidesOf } from "../api/row_lengths.ts";
import { promptIds } from "../api/sampler.ts";
import type { RunConfig } from "../config/fields.ts";
import type { Example } from "../data/example.ts";
import { renderRow, renderTokens } from "../data/render.ts";
import type { RenderedRowData, RenderedText } from "../protocol/setup.ts";
import type { TextTools } from "../trainer/prepare_data.ts";
import { templateVariables } from "../trainer/template_use.ts";

/** A row as the model sees it, for the page: one text, two of a pair, or a prompt to be answered. */

export function textsOf(example: Example, tools: TextTools, config: RunConfig): readonly RenderedText[] {
  if (example.kind === "prompt") {
    const ids = promptIds(example.prompt, tools, templateVariables(config).templateVariables);
    const pieces = renderTokens(ids, () => false, tools.tokenizer);
    return [{ title: "", pieces: pieces.map(plain), tokens: ids.length }];
  }
  const sides = example.kind === "preference" ? sidesOf(example) : [{ title: "", row: example }];
  return sides.map(({ title, row }) => {
    const { pieces, tokensUncut } = renderRow(row, tools, sftOptions(config));
    return { title, pieces: pieces.map(plain), tokens: tokensUncut };
  });
}

const plain = ({ text, learned, special }: RenderedText["pieces"][number]) => ({ text, learned, special });

const SPEAKERS = ["system", "user", "assistant"] as const;

/** The conversation that a prompt row asks the model to go on with; null where there is none, or one with tools. */
export function questionOf(example: Example): RenderedRowData["question"] {
  if (example.kind !== "prompt" || typeof example.prompt === "string") return null;
  const turns = example.prompt.flatMap(({ role, content }) => {
    const speaker = SPEAKERS.find((name) => name === role);
    return speaker && typeof content === "string" ? [{ role: speaker, content }] : [];
  });
  return turns.length === example.prompt.length ? turns : null;
}
