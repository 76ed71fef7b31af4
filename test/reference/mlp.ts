/** CPU oracles for shaders/mlp/*.wgsl: plain loops in float64. */

export type Act = "silu" | "gelu_tanh";

export function act(kind: Act, a: number): number {
  if (kind === "silu") return a / (1 + Math.exp(-a));
  return 0.5 * a * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (a + 0.044715 * a ** 3)));
}

function slope(kind: Act, a: number): number {
  if (kind === "silu") {
    const s = 1 / (1 + Math.exp(-a));
    return s * (1 + a * (1 - s));
  }
  const k = Math.sqrt(2 / Math.PI);
  const t = Math.tanh(k * (a + 0.044715 * a ** 3));
  return 0.5 * (1 + t) + 0.5 * a * (1 - t * t) * k * (1 + 3 * 0.044715 * a * a);
}

export function gluForward(gateUp: readonly number[], F: number, kind: Act): number[] {
  return Array.from({ length: gateUp.length / 2 }, (_, i) => {
    const base = 2 * F * Math.floor(i / F) + (i % F);
    return act(kind, gateUp[base] as number) * (gateUp[base + F] as number);
  });
}

export function gluBackward(
  gateUp: readonly number[],
  dh: readonly number[],
  F: number,
  kind: Act,
): Float64Array {
  const d = new Float64Array(gateUp.length);
  dh.forEach((g, i) => {
    const base = 2 * F * Math.floor(i / F) + (i % F);
    d[base] = g * (gateUp[base + F] as number) * slope(kind, gateUp[base] as number);
    d[base + F] = g * act(kind, gateUp[base] as number);
  });
  return d;
}

export function geluForward(x: readonly number[]): number[] {
  return x.map((v) => act("gelu_tanh", v));
}

export function geluBackward(x: readonly number[], dy: readonly number[]): number[] {
  return x.map((v, i) => (dy[i] as number) * slope("gelu_tanh", v));
}
