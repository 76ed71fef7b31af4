import type { RopeScaling } from "../kernels/rope/tables.ts";
import { AppError } from "../lib/errors.ts";
import type { RopeSpec } from "./spec.ts";

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

  #bad(key: string, need: string): AppError {
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
    if (typeof value !== "number" || !Number.isFinite(value)) throw this.#bad(key, "a number");
    return value;
  }

  /** A positive integer up to a bound that no real model passes, so that nothing huge is allocated for a typo. */
  count(key: string, fallback?: number): number {
    const value = this.number(key, fallback);
    if (!Number.isInteger(value) || value < 1 || value > 2 ** 24)
      throw this.#bad(key, "an integer from 1 to 2^24");
    return value;
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.has(key) ? this.#json[key] : fallback;
    if (typeof value !== "boolean") throw this.#bad(key, "true or false");
    return value;
  }

  text(key: string, fallback?: string): string {
    const value = this.has(key) ? this.#json[key] : fallback;
    if (typeof value !== "string") throw this.#bad(key, "a string");
    return value;
  }

  list(key: string): readonly unknown[] {
    const value = this.#json[key];
    if (!Array.isArray(value)) throw this.#bad(key, "a list");
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

  /**
   * Rotary settings as transformers 5 writes them (`rope_parameters`, for some models one per layer type) or as
   * transformers 4 did (`rope_theta`, `rope_scaling`).
   */
  rope(headDim: number, layerType?: string, older: { theta?: string; scaled?: boolean } = {}): RopeSpec {
    const parameters = this.child("rope_parameters");
    const own = (layerType && parameters?.child(layerType)) || parameters;
    const scaling = own ?? (older.scaled === false ? undefined : this.child("rope_scaling"));
    const theta = own?.has("rope_theta")
      ? own.number("rope_theta")
      : this.number(older.theta ?? "rope_theta", 10000);
    const fraction = (own?.has("partial_rotary_factor") ? own : this).number("partial_rotary_factor", 1);
    return {
      theta,
      rotary: Math.floor(headDim * fraction),
      scaling: scaling ? readScaling(scaling) : { type: "default" },
    };
  }
}

function readScaling(reader: ConfigReader): RopeScaling {
  const type = reader.text("rope_type", reader.text("type", "default"));
  switch (type) {
    case "default":
      return { type };
    case "linear":
      return { type, factor: reader.number("factor") };
    case "llama3":
      return {
        type,
        factor: reader.number("factor"),
        lowFreqFactor: reader.number("low_freq_factor"),
        highFreqFactor: reader.number("high_freq_factor"),
        originalMaxPositions: reader.count("original_max_position_embeddings"),
      };
    default:
      throw new AppError(
        "model-unsupported",
        `Rotary scaling "${type}" is not supported. Supported: default, linear, llama3.`,
        { details: { rope_type: type } },
      );
  }
}
