import { AppError } from "../lib/errors.ts";

type Json = Readonly<Record<string, unknown>>;

/**
 * Typed access to a config.json, which is data from outside: each reader checks what it returns and throws
 * `model-invalid` naming the key, what was found and what is needed.
 */
export class ConfigReader {
  readonly #json: Json;
  readonly #where: string;

  constructor(json: unknown, where = "config.json") {
    if (typeof json !== "object" || json === null || Array.isArray(json)) {
      throw new AppError("model-invalid", `${where} is not a JSON object`);
    }
    this.#json = json as Json;
    this.#where = where;
  }

  has(key: string): boolean {
    return this.#json[key] !== undefined && this.#json[key] !== null;
  }

  /** As `has`, but null counts: transformers takes its default for a key that is absent, and none for one that is null. */
  says(key: string): boolean {
    return this.#json[key] !== undefined;
  }

  bad(key: string, need: string): AppError {
    const found = JSON.stringify(this.#json[key]);
    return new AppError(
      "model-invalid",
      `${this.#where}: ${key} is ${found ?? "missing"}, but must be ${need}`,
      {
        details: { key },
      },
    );
  }

  number(key: string, fallback?: number): number {
    const value = this.has(key) ? this.#json[key] : fallback;
    if (typeof value !== "number" || !Number.isFinite(value)) throw this.bad(key, "a number");
    return value;
  }

  /** A positive integer up to a bound that no real model passes, so that nothing huge is allocated for a typo. */
  count(key: string, fallback?: number): number {
    const value = this.number(key, fallback);
    if (!Number.isInteger(value) || value < 1 || value > 2 ** 24)
      throw this.bad(key, "an integer from 1 to 2^24");
    return value;
  }

  positive(key: string, fallback?: number): number {
    const value = this.number(key, fallback);
    if (value <= 0) throw this.bad(key, "a number above 0");
    return value;
  }

  /** Undefined for null; `absent` where the key is not there at all. */
  optional(key: string, absent: number | undefined): number | undefined {
    if (this.has(key)) return this.positive(key);
    return this.says(key) ? undefined : absent;
  }

  /** As `optional`, for what is counted in tokens. */
  optionalCount(key: string, absent: number | undefined): number | undefined {
    return this.has(key) ? this.count(key) : this.optional(key, absent);
  }

  positives(key: string, length: number): number[] {
    const values = this.list(key);
    const numbers = values.filter((value) => typeof value === "number" && value > 0);
    if (numbers.length !== length || values.length !== length)
      throw this.bad(key, `a list of ${length} numbers above 0, one for each rotated pair of channels`);
    return numbers as number[];
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.has(key) ? this.#json[key] : fallback;
    if (typeof value !== "boolean") throw this.bad(key, "true or false");
    return value;
  }

  text(key: string, fallback?: string): string {
    const value = this.has(key) ? this.#json[key] : fallback;
    if (typeof value !== "string") throw this.bad(key, "a string");
    return value;
  }

  list(key: string): readonly unknown[] {
    const value = this.#json[key];
    if (!Array.isArray(value)) throw this.bad(key, "a list");
    return value;
  }

  child(key: string): ConfigReader | undefined {
    return this.has(key) ? new ConfigReader(this.#json[key], `${this.#where}: ${key}`) : undefined;
  }

  /** Throws `model-unsupported` unless the key is absent or one of the values. */
  only(key: string, allowed: readonly unknown[], what: string): void {
    if (!this.has(key) || allowed.includes(this.#json[key])) return;
    throw new AppError(
      "model-unsupported",
      `This model has ${key} = ${JSON.stringify(this.#json[key])}: ${what} is not supported. Supported: ${allowed.map((v) => JSON.stringify(v)).join(", ")}.`,
      { details: { key } },
    );
  }
}
