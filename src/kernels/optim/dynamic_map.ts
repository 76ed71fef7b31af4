/**
 * The 256 values, ascending, that an 8-bit code of the dynamic data type stands for: seven decades with twice the
 * resolution each, and 0 and 1. Source: Dettmers et al., arXiv:2110.02861, section 2; bitsandbytes create_dynamic_map.
 */
export function dynamicMap(signed: boolean): Float32Array {
  const values = [0, 1];
  for (let decade = 0; decade < 7; decade++) {
    const n = 2 ** (signed ? decade : decade + 1);
    for (let i = 0; i < n; i++) {
      const value = (0.1 + (0.9 * (i + 0.5)) / n) * 10 ** (decade - 6);
      values.push(value);
      if (signed) values.push(-value);
    }
  }
  return Float32Array.from(values).sort();
}

/** Both maps as the shader reads them: signed, for the mean, then unsigned, for the squares. */
export function dynamicMaps(): Float32Array {
  return new Float32Array([...dynamicMap(true), ...dynamicMap(false)]);
}
