import { expect, it } from "vitest";
import { ALGORITHM_TITLES, ALGORITHMS } from "../../src/config/algorithm.ts";
import { type AnyField, type Control, type Fields, GROUPS, type Group } from "../../src/config/field.ts";
import { ALL_KEYS, algorithmsWith, defaultOf, fieldsOf } from "../../src/config/fields.ts";
import { REWARD_IDS, REWARD_SETTINGS, type RewardId, rewardEntry } from "../../src/config/reward_catalog.ts";

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
    case "datasets":
      return "list of datasets";
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

const prose = (text: string): string => text.replaceAll("<", "\\<");
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

const NEED = {
  prompt: "the prompt",
  reference: "the reference answer",
  row: "the row",
  completion_ids: "the answer's tokens",
};

function paramRows(fields: Fields): string {
  const rows = Object.entries(fields).map(
    ([key, field]) =>
      `| \`${key}\` | ${cell(typeOf(field.control))} | ${cell(defaultText(field, field.default))} | ${cell(prose(field.help))} |`,
  );
  return rows.length === 0
    ? ""
    : `\n| Parameter | Value | Default | Meaning |\n| --- | --- | --- | --- |\n${rows.join("\n")}\n`;
}

function rewardSection(id: RewardId): string {
  const { help, aliases, needs, params } = rewardEntry(id);
  const needed = needs.map((need) => NEED[need]).join(" and ");
  const needing = needs.length === 0 ? "" : ` It needs ${needed}.`;
  return `### ${id}\n\n${prose(help)}${needing} Also called ${aliases.map(code).join(", ")}.\n${paramRows(params)}`;
}

const REWARDS_HEAD =
  "## The entries of rewards\n\n" +
  "Each entry of `rewards` has a `type` and, if it should differ, a `weight`, its own `params`, a `name` for metrics and tables,\n" +
  "and the following. The short form `length:weight=0.5:max_length=80` says the same in one text.\n";
const REWARDS_MORE =
  "\nA reward that does not apply to an answer (it needs a reference and the row has none) or that fails there adds nothing to the\n" +
  "sum; metrics leave it out. `normalize` comes before `clip`; metrics and tables show values as they were before both.\n" +
  "Rewards of the same name are told apart as `accuracy`, `accuracy_2` and so on.\n\n" +
  "A reward of one's own has `type: custom` with `code` (the source of a function) or with a file, as in\n" +
  "`reward_function: rewards.py#short` (.py, .js, .mjs or .ts, relative to the configuration file). `language` is `python`,\n" +
  "`javascript` or `typescript`, and found from the code when it is left out. `params` reach the function by name.\n";

function document(): string {
  const sections = Object.entries(GROUPS).map(([group, title]) => {
    const keys = ALL_KEYS.filter((key) => groupOf(key) === group);
    return `## ${title}\n\n| Key | Value | Default | Methods | Meaning |\n| --- | --- | --- | --- | --- |\n${keys.map(row).join("\n")}\n`;
  });
  const head =
    "# Settings\n\nEvery setting of a configuration, by its key in YAML, JSON, the TypeScript API and `--set` on the command line.\n" +
    "Other spellings (TRL's, AlignTune's nested files, some of LLaMA-Factory and Axolotl) are understood as well.\n\n" +
    "This page is made from `src/config/fields.ts` and `reward_catalog.ts`; after a change there run\n" +
    "`npx vitest run --project unit test/config/settings_doc.test.ts -u`.\n";
  const rewards = [
    `${REWARDS_HEAD}${paramRows(REWARD_SETTINGS)}${REWARDS_MORE}`,
    ...REWARD_IDS.map(rewardSection),
  ];
  return [head, ...sections, ...rewards].join("\n");
}

it("docs/settings.md says what the declarations say", async () => {
  await expect(document()).toMatchFileSnapshot("../../docs/settings.md");
});
