import { describe, expect, it } from "vitest";
import { readMapping } from "../../src/config/column_mapping.ts";

const columns = ["question", "answer"];

describe("the direction of a column mapping", () => {
  it.each<[string, Record<string, string>, string, boolean]>([
    ["column to role", { question: "prompt", answer: "response" }, "column_to_role", false],
    ["role to column", { prompt: "question", response: "answer" }, "role_to_column", false],
    ["a column with a role's name, as column", { answer: "response" }, "column_to_role", false],
    ["a column with a role's name, as role", { response: "answer" }, "role_to_column", false],
    ["the same name on both sides", { answer: "answer" }, "column_to_role", true],
    ["neither side is a column, the right one names roles", { q: "prompt" }, "column_to_role", false],
    ["neither side is a column, the left one names roles", { prompt: "q" }, "role_to_column", false],
    ["nothing", {}, "column_to_role", false],
  ])("%s", (_name, mapping, direction, unsure) => {
    expect(readMapping(mapping, columns)).toMatchObject({ direction, unsure });
  });
  it("gives column to role either way, and names what is missing", () => {
    expect(readMapping({ prompt: "question", completion: "reply" }, columns)).toEqual({
      direction: "role_to_column",
      unsure: false,
      roles: { question: "prompt", reply: "completion" },
      missing: ["reply"],
    });
  });
});
