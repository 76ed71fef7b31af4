import { describe, expect, it } from "vitest";
import errorsSource from "../../src/lib/errors.ts?raw";
import { changedSettings } from "../../src/ui/errors/change_settings.ts";
import { ERRORS, errorText, wantedOf, wordsFor } from "../../src/ui/errors/table.ts";

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

const at = { host: "huggingface.co", what: "the model a/b", id: "a/b" };
const kindsOf = (code: "network" | "access-denied" | "file-missing", details: Record<string, unknown>) =>
  wordsFor({ code, details: { ...at, ...details } }).fixes.map(({ kind }) => kind);
const titleOf = (details: Record<string, unknown>) =>
  wordsFor({ code: "access-denied", details: { ...at, ...details } }).title;

describe("what a hub refused", () => {
  it("can be tried again, elsewhere, or with files of this device", () => {
    expect(kindsOf("network", {})).toEqual(["retry", "mirror", "file"]);
    expect(wordsFor({ code: "network", details: at }).title).toBe("huggingface.co did not answer");
    expect(wordsFor({ code: "network", details: {} })).toBe(ERRORS.network);
  });

  it("waits as long as the hub asks when it takes no more requests", () => {
    const [first] = wordsFor({ code: "network", details: { ...at, status: 429, seconds: 7 } }).fixes;
    expect(first).toEqual({ kind: "retry", label: "Retry", seconds: 7 });
    const [unsaid] = wordsFor({ code: "network", details: { ...at, status: 429 } }).fixes;
    expect(unsaid).toMatchObject({ kind: "retry", seconds: 60 });
  });

  it("is a matter of spelling when there is no such name", () => {
    expect(wordsFor({ code: "file-missing", details: at }).advice).toMatch(/capital letters/);
    expect(wordsFor({ code: "file-missing", details: {} })).toBe(ERRORS["file-missing"]);
  });

  it("differs between nobody known, a token that is not accepted, and one that is not let in", () => {
    expect(titleOf({ status: 401, gated: true, hasToken: false })).toBe("This repository is gated");
    expect(titleOf({ status: 401, gated: false })).toBe("This repository is private, or not there");
    expect(titleOf({ status: 401, hasToken: true })).toBe("The hub does not accept your token");
    expect(titleOf({ status: 403, gated: true })).toBe("Your account is not let in yet");
    expect(titleOf({ status: 403, gated: false })).toBe("Your token does not reach this repository");
    expect(titleOf({ ...at, status: 403, hasToken: false })).toMatch(/ refuses this$/);
    expect(kindsOf("access-denied", { status: 401 })).toContain("access");
  });

  it("is about a model or a dataset", () => {
    expect(wantedOf({ details: at })).toEqual({ kind: "model", name: "a/b", revision: null });
    const page = "https://huggingface.co/datasets/a/b";
    expect(wantedOf({ details: { ...at, what: "README.md of a/b", page } })?.kind).toBe("dataset");
    expect(wantedOf({ details: {} })).toBeNull();
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
