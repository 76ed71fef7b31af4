/** CPU oracles for shaders/bench/*.wgsl. */

/** Plain loops in float64. */
export function fmaRate(count: number, rounds: number, a: number, b: number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => {
    let sum = 0;
    for (let c = 0; c < 12; c++) {
      let x = (i % 16) + c;
      for (let t = 0; t < 8 * rounds; t++) x = x * a + b;
      sum += x;
    }
    return sum;
  });
}

export function copyRate(x: readonly number[]): number[] {
  return [...x];
}
