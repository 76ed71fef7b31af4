import { isRecord, readJsonObject, readText } from "../formats/json.ts";
import type { Folder } from "../host/host.ts";
import { AppError } from "../lib/errors.ts";

/** ChatML: the markers most chat models share. For base models, when asked for. */
export const CHATML = `{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' }}{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\\n' }}{% else %}{{ message['content'] + '<|im_end|>\\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}`;

/**
 * The chat template of a model folder: chat_template.jinja, or `chat_template` in tokenizer_config.json as text or as
 * a list of named ones (the one called default, as transformers). Undefined when the model has none.
 * Throws `template-invalid` when there are several and none is called default.
 */
export async function findTemplate(folder: Folder): Promise<string | undefined> {
  const file = await folder.open("chat_template.jinja");
  if (file) return readText(file);
  const config = await folder.open("tokenizer_config.json");
  if (!config) return undefined;
  const value = (await readJsonObject(config))["chat_template"];
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return defaultTemplate(folder.name, value);
  throw new AppError(
    "template-invalid",
    `${folder.name}: chat_template in tokenizer_config.json is neither text nor a list of named templates.`,
  );
}

function defaultTemplate(model: string, list: readonly unknown[]): string {
  const names: string[] = [];
  for (const item of list) {
    if (!isRecord(item) || typeof item["template"] !== "string") continue;
    if (item["name"] === "default") return item["template"];
    names.push(String(item["name"]));
  }
  throw new AppError(
    "template-invalid",
    `${model} has several chat templates (${names.join(", ")}) and none is called default. Name one of them default in tokenizer_config.json.`,
    { details: { model, names } },
  );
}

const TAG = /\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}/g;

/** Whether a template says itself which text the assistant wrote. */
export function hasGenerationTags(source: string): boolean {
  return /\{%-?\s*generation\s*-?%\}/.test(source);
}

/**
 * The same template with `start` and `end` printed where generation blocks begin and end. Each tag becomes an `if`
 * that is always true, so that white space beside it is cut exactly as it was.
 */
export function markGeneration(source: string, start: string, end: string): string {
  return source.replace(TAG, (_, left: string, closing: string | undefined, right: string) => {
    return `{%${left} if true %}${closing ? end : start}{% endif ${right}%}`;
  });
}
