import { expect, it } from "vitest";
import { ALGORITHM_TITLES, ALGORITHMS } from "../../src/config/algorithm.ts";
import { type AnyField, type Control, GROUPS, type Group } from "../../src/config/field.ts";
import { ALL_KEYS, algorithmsWith, defaultOf, fieldsOf } from "../../src/config/fields.ts";

const bound = (value: number): string => (Math.abs(value) >= 1e9 ? "" : String(value));

function typeOf(control: Control): string {
  switch (control.kind) {
    case "number":
    case "integer": {
      const least = control.exclusive ? `> ${control.min}` : `≥ ${bound(control.min)}`;
      const most = bound(control.max) === "" ? "" : `, ≤ ${control.max}`;
      return `${control.kind} ${least}${most}`;
    }
    case "flag":
      return "true or false";
    case "choice":
      return control.options.map((option) => `\`${option}\``).join(" ");
    case "choices":
      return `one or several of ${control.options.map((option) => `\`${option}\``).join(" ")}`;
    case "list":
      return control.single ? "text or list of texts" : "list of texts";
    case "numbers":
      return "list of numbers";
    case "mapping":
      return "pairs of texts";
    case "rewards":
      return "list of rewards";
    default:
      return control.kind;
  }
}

const code = (value: unknown): string => `\`${typeof value === "string" ? value : JSON.stringify(value)}\``;

/** The defaults of a field, those of most methods first, then the exceptions. */
function defaults(key: string): string {
  const at = algorithmsWith(key).map((algorithm) => ({ algorithm, field: fieldsOf(algorithm)[key] }));
  const groups = new Map<string, string[]>();
  for (const { algorithm, field } of at) {
    const text = field ? defaultText(field, defaultOf(field, algorithm)) : "";
    groups.set(text, [...(groups.get(text) ?? []), ALGORITHM_TITLES[algorithm]]);
  }
  const many = groups.size > 1;
  return [...groups].map(([text, names]) => (many ? `${names.join(", ")}: ${text}` : text)).join("; ");
}

const defaultText = (field: AnyField, value: unknown): string =>
  value === null
    ? field.required
      ? "required"
      : `empty: ${field.empty?.replace(/\.$/, "") ?? ""}`
    : code(value);

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");

function methods(key: string): string {
  const names = algorithmsWith(key);
  return names.length === ALGORITHMS.length
    ? "all"
    : names.map((algorithm) => ALGORITHM_TITLES[algorithm]).join(", ");
}

function row(key: string): string {
  const fields = algorithmsWith(key).flatMap((algorithm) => fieldsOf(algorithm)[key] ?? []);
  const types = [...new Set(fields.map((field) => typeOf(field.control)))].join("; or ");
  const help = [...new Set(fields.map((field) => field.help))].join(" ");
  return `| \`${key}\` | ${cell(types)} | ${cell(defaults(key))} | ${methods(key)} | ${cell(help)} |`;
}

function groupOf(key: string): Group | undefined {
  const [algorithm = "sft"] = algorithmsWith(key);
  return fieldsOf(algorithm)[key]?.group;
}

function document(): string {
  const sections = Object.entries(GROUPS).map(([group, title]) => {
    const keys = ALL_KEYS.filter((key) => groupOf(key) === group);
    return `## ${title}\n\n| Key | Value | Default | Methods | Meaning |\n| --- | --- | --- | --- | --- |\n${keys.map(row).join("\n")}\n`;
  });
  const head =
    "# Settings\n\nEvery setting of a configuration, by its key in YAML, JSON, the TypeScript API and `--set` on the command line.\n" +
    "Other spellings (TRL's, AlignTune's nested files, some of LLaMA-Factory and Axolotl) are understood as well.\n\n" +
    "This page is made from `src/config/fields.ts`; after a change there run\n" +
    "`npx vitest run --project unit test/config/settings_doc.test.ts -u`.\n";
  return [head, ...sections].join("\n");
}

it("docs/settings.md says what the declarations say", async () => {
  await expect(document()).toMatchFileSnapshot("../../docs/settings.md");
});
