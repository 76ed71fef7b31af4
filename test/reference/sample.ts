/** CPU oracles for shaders/sample/*.wgsl: Hugging Face's order of logits processors, in float64, by sorting. */

import { hash } from "../../src/lib/random.ts";

export interface SampleSettings {
  readonly temperature: number;
  readonly top_k: number;
  readonly top_p: number;
  readonly min_p: number;
  readonly penalty: number;
  readonly softcap: number;
}

export const PLAIN: SampleSettings = {
  temperature: 1,
  top_k: 0,
  top_p: 1,
  min_p: 0,
  penalty: 1,
  softcap: 0,
};

export function capped(z: number, softcap: number): number {
  return softcap > 0 ? softcap * Math.tanh(z / softcap) : z;
}

export function scores(
  z: readonly number[],
  seen: ReadonlySet<number>,
  { temperature, penalty, softcap }: SampleSettings,
): number[] {
  return z.map((raw, v) => {
    const value = capped(raw, softcap);
    const penalised = !seen.has(v) ? value : value < 0 ? value * penalty : value / penalty;
    return penalised / (temperature || 1);
  });
}

function softmax(s: readonly number[]): number[] {
  const m = Math.max(...s);
  const e = s.map((v) => Math.exp(v - m));
  const sum = e.reduce((a, b) => a + b, 0);
  return e.map((v) => v / sum);
}

/** The tokens that may be drawn, ascending. */
export function kept(
  z: readonly number[],
  seen: ReadonlySet<number>,
  settings: SampleSettings,
): readonly number[] {
  let s = scores(z, seen, settings);
  if (settings.temperature === 0) return s.map((_, v) => v);
  const none = Number.NEGATIVE_INFINITY;
  if (settings.top_k > 0 && settings.top_k < s.length) {
    const least = s.toSorted((a, b) => b - a)[settings.top_k - 1] as number;
    s = s.map((v) => (v < least ? none : v));
  }
  const m = Math.max(...s);
  if (settings.top_p < 1) {
    const probabilities = softmax(s);
    // The ascending tail with a cumulative sum of at most 1 - p goes, said from above: what has p or more above it goes.
    const above = (v: number) =>
      s.reduce((sum, w, i) => (w > v ? sum + (probabilities[i] as number) : sum), 0);
    s = s.map((v) => (v !== m && above(v) >= settings.top_p ? none : v));
  }
  return s.flatMap((v, i) => (v !== none && Math.exp(v - m) >= settings.min_p ? [i] : []));
}

export interface Draw {
  readonly token: number;
  readonly logps: readonly [number, number];
  /** How far ahead of the next best token: below the rounding of f32, the shader may differ. */
  readonly lead: number;
}

export function draw(
  z: readonly number[],
  seen: ReadonlySet<number>,
  settings: SampleSettings,
  [seed, key, position]: readonly [number, number, number],
): Draw {
  const s = scores(z, seen, settings);
  const noisy = kept(z, seen, settings).map((v) => {
    if (settings.temperature === 0) return [s[v] as number, v] as const;
    const u = (hash(seed, key, position, v) + 0.5) / 2 ** 32;
    return [(s[v] as number) - Math.log(-Math.log1p(-u)), v] as const;
  });
  const [first, second] = noisy.toSorted((a, b) => b[0] - a[0] || a[1] - b[1]);
  const token = first?.[1] ?? 0;
  const logp = (temperature: number) =>
    Math.log(softmax(z.map((v) => capped(v, settings.softcap) / temperature))[token] as number);
  return {
    token,
    logps: [logp(1), logp(settings.temperature || 1)],
    lead: (first?.[0] ?? 0) - (second?.[0] ?? Number.NEGATIVE_INFINITY),
  };
}
