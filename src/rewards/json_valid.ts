import { defineReward } from "./reward.ts";

const FENCE = /^```(?:json)?[^\S\n]*\n([\s\S]*?)\n?```$/i;

function parse(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

export const jsonValid = defineReward(
  "json_valid",
  ({ required_keys: keys, allow_fence: fence }) =>
    (item) => {
      const text = item.completion.trim();
      const parsed = parse(fence ? (FENCE.exec(text)?.[1] ?? text) : text);
      if (parsed === undefined) return 0;
      const { value } = parsed;
      if (keys.length === 0) return 1;
      const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
      return Number(isObject && keys.every((key) => Object.hasOwn(value, key)));
    },
);
