import { describe, expect, it } from "vitest";
import errorsSource from "../../src/lib/errors.ts?raw";
import { changedSettings } from "../../src/ui/errors/change_settings.ts";
import { ERRORS, errorText } from "../../src/ui/errors/table.ts";

/** The codes as the type declares them: a type leaves no list behind. */
const declared = [
  ...(/type ErrorCode =([\s\S]*?);/.exec(errorsSource)?.[1] ?? "").matchAll(/"([a-z-]+)"/g),
].map(([, code]) => code ?? "");

describe("the table of errors", () => {
  it("has every code, and the one of our own mistakes", () => {
    expect(declared.length).toBeGreaterThan(10);
    expect(Object.keys(ERRORS).sort()).toEqual([...declared, "internal"].sort());
  });

  it.each(Object.entries(ERRORS))(
    "says what happened and what to do about %s",
    (_code, { title, advice, fixes }) => {
      expect(title).toMatch(/^[A-Z][^.!]+$/);
      expect(advice).toMatch(/\.$/);
      expect(`${title} ${advice}`).not.toMatch(/oops|simply|!/i);
      for (const fix of fixes) expect(fix.label).toMatch(/^[A-Z]/);
    },
  );

  it("has words for a code that is not in it", () => {
    expect(errorText("from-the-future")).toBe(ERRORS.internal);
    expect(errorText("toString")).toBe(ERRORS.internal);
  });
});

describe("what a fix changes", () => {
  it("is a tenth of the learning rate", () => {
    expect(changedSettings("lower-rate", { learning_rate: 0.003 })).toEqual({ learning_rate: 0.0003 });
  });

  it("is nothing where there is none to make", () => {
    expect(changedSettings("lower-rate", {})).toEqual({});
    expect(changedSettings(undefined, { batch_size: 8 })).toEqual({});
  });
});
