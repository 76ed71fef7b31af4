import { describe, expect, it } from "vitest";
import { repairPython } from "../../src/sandbox/repair_python.ts";

describe("Python that lost its indentation", () => {
  it("gets back what can only be the whole of a block", () => {
    const flat =
      "def f(x):\n if x:\n return 1\n elif x is None:\n raise ValueError(x)\n else:\n # no\n\n pass\n return 0\n";
    expect(repairPython(flat)).toEqual({
      code: "def f(x):\n if x:\n     return 1\n elif x is None:\n     raise ValueError(x)\n else:\n # no\n\n     pass\n return 0\n",
      changed: [
        'Line 3, "return 1", was moved into the block that the line before it opens.',
        'Line 5, "raise ValueError(x)", was moved into the block that the line before it opens.',
        'Line 9, "pass", was moved into the block that the line before it opens.',
      ],
    });
  });

  it.each([
    ["whose end cannot be known", "def f(x):\n for y in x:\n total += y\n return total\n"],
    ["of which only a part could be", "def f(x):\n if x:\n return 1\n for y in x:\n total += y\n return 0\n"],
    ["that ends where it begins", "def f(x):\n  if x:\n return 1\n"],
  ])("is left to Python to refuse: a block %s", (_, code) => {
    expect(repairPython(code)).toBeUndefined();
  });

  it.each([
    "def f(x):\n    if x: return 1\n    return 0\n",
    'def f(x):\n  """If it is so:\n  return."""\n  if x:  # why:\n    return {"if":\n      1}\n  return 0\n',
    "f = lambda x: 1\n",
  ])("is none: %j", (code) => {
    expect(repairPython(code)).toBeUndefined();
  });
});
