/** CPU oracles for shaders/elementwise/*.wgsl. Single f32 operations, so results are equal to the bit, but for lerp. */

export function add(a: readonly number[], b: readonly number[]): number[] {
  return a.map((v, i) => Math.fround(v + (b[i] as number)));
}

export function gatherRows(x: readonly number[], index: readonly number[], C: number): number[] {
  return index.flatMap((n) => x.slice(n * C, (n + 1) * C));
}

export function scatterRows(dy: readonly number[], inverse: readonly number[], C: number): number[] {
  return inverse.flatMap((m) =>
    m === 0xffffffff ? new Array<number>(C).fill(0) : dy.slice(m * C, (m + 1) * C),
  );
}

export function takeColumn(x: readonly number[], C: number, column: number): number[] {
  return x.filter((_, i) => i % C === column);
}

/** y + alpha (x - y), in float64: a fused multiply-add may round once. */
export function lerp(x: readonly number[], y: readonly number[], alpha: number): number[] {
  return y.map((v, i) => v + alpha * ((x[i] as number) - v));
}
