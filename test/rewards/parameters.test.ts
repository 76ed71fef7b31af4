import { expect, it } from "vitest";
import { parametersOf } from "../../src/rewards/parameters.ts";

const functionOf = (source: string) => new Function(`return (${source});`)() as () => unknown;

it.each<[string, readonly (string | readonly string[] | undefined)[]]>([
  ["x => 1", ["x"]],
  ["async completions=>completions", ["completions"]],
  ["() => (1, 2)", []],
  ["(a, b = [1, 2], c = f({ d: (1, 2) })) => 1", ["a", "b", "c"]],
  ["function named(a /* , b ( */, // , c )\n d) { return e(f); }", ["a", "d"]],
  ["(a = '),(', b = `{`) => 1", ["a", "b"]],
  ["({ completions, level: l = {}, ...rest }, more) => 1", [["completions", "level", "...rest"], "more"]],
  ["async function* (prompts, ...rest) {}", ["prompts", undefined]],
  ["({ score(text, reference) {} }).score", ["text", "reference"]],
  ["[].map.bind([])", []],
  ["(größe, $a_1) => 1", ["größe", "$a_1"]],
])("%s", (source, expected) => {
  expect(parametersOf(functionOf(source)).map(({ name, keys }) => keys ?? name)).toEqual(expected);
});
