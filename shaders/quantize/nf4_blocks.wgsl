// nf4_blocks: a piece of a matrix into NormalFloat4 codes, with the largest magnitude of each block of 64.
//
// Math      absmax[b] = max |x| over the block;  code = how many of the 15 midpoints B between the 16 values are below
//           x / absmax, so that a tie takes the lower code; 7 throughout a block of zeros, or of one that is no number.
//           All in whole numbers, so that no adapter's division, rounding or flushing of subnormals matters: x > B absmax
//           is x > t, where t is the largest float that is at most B absmax. That product has at most 50 bits (24 of
//           absmax, 26 of B). Dividing in f64 gives the same codes: where x / absmax is not B, it is off by more than 2^-50.
// Source    Dettmers et al., arXiv:2305.14314; bitsandbytes, quantize_4bit
// Shapes    x: Step.N elements of FORMAT in words; codes: 8 a word, low nibble first, 0 past the end; absmax: (ceil(N / 64)) f32
// Dispatch  ceil(N / 4096) workgroups, one block of 64 elements a thread
// Oracle    src/formats/nf4.ts, nf4Blocks()

struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const FORMAT = 1u; // one of 0, 1, 2: f32, bf16, f16

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> codes: array<u32>;
@group(0) @binding(2) var<storage, read_write> absmax: array<u32>;
@group(0) @binding(3) var<uniform> step: Step;

const INFINITY = 0x7f800000u;
const NEVER = 0xffffffffu;

// The bits of element i as a float.
fn element(i: u32) -> u32 {
  if (FORMAT == 0u) { return x[i]; }
  let half = (x[i >> 1u] >> (16u * (i & 1u))) & 0xffffu;
  if (FORMAT == 1u) { return half << 16u; }
  let sign = (half & 0x8000u) << 16u;
  let exponent = (half >> 10u) & 31u;
  let mantissa = half & 1023u;
  if (exponent == 31u) { return sign | INFINITY | (mantissa << 13u); }
  if (exponent != 0u) { return sign | ((exponent + 112u) << 23u) | (mantissa << 13u); }
  if (mantissa == 0u) { return sign; }
  let shift = countLeadingZeros(mantissa) - 21u; // to bit 10
  return sign | ((113u - shift) << 23u) | (((mantissa << shift) & 1023u) << 13u);
}

struct Product {
  bits: vec4u, // of the largest float that is at most the product
  exact: vec4<bool>, // whether it is the product
}

// a * 2^(exponent - 150) times m * 2^-s, for a in [2^23, 2^24) and m in [2^25, 2^26).
fn product(a: u32, exponent: i32, m: vec4u, s: vec4i) -> Product {
  let highs = (a >> 12u) * (m >> vec4u(13u));
  let cross = (a >> 12u) * (m & vec4u(0x1fffu));
  let other = (a & 0xfffu) * (m >> vec4u(13u));
  let low = (a & 0xfffu) * (m & vec4u(0x1fffu)) + ((cross & vec4u(0x1fffu)) << vec4u(12u)) + ((other & vec4u(0xfffu)) << vec4u(13u));
  // The product is top * 2^25 + (low & (2^25 - 1)), with top in [2^23, 2^25).
  let top = highs + (cross >> vec4u(13u)) + (other >> vec4u(12u)) + (low >> vec4u(25u));
  let field = vec4i(exponent) - s + vec4i(25) + select(vec4i(0), vec4i(1), top >= vec4u(0x1000000u));
  // To 24 bits, or fewer where the result is subnormal.
  let toFloat = select(vec4u(0u), vec4u(1u), top >= vec4u(0x1000000u));
  let toSubnormal = vec4u(clamp(vec4i(1) - field, vec4i(0), vec4i(24)));
  let shift = toFloat + toSubnormal;
  let kept = top >> shift;
  let normal = (vec4u(max(field, vec4i(1)) - vec4i(1)) << vec4u(23u)) + kept;
  let lost = (top & ((vec4u(1u) << shift) - vec4u(1u))) | (low & vec4u(0x1ffffffu));
  return Product(select(normal, kept, field < vec4i(1)), lost == vec4u(0u));
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let block = (group.y * groups.x + group.x) * 64u + lane;
  let first = block * 64u;
  if (first >= step.N) { return; }
  let count = min(64u, step.N - first);

  // The bits of magnitudes are in the order of the magnitudes, and what is no number is above them all.
  var largest = 0u;
  for (var i = 0u; i < count; i++) { largest = max(largest, element(first + i) & 0x7fffffffu); }
  absmax[block] = largest;

  // A positive x has the code 7 + how many of `above` are below |x|, a negative one 7 - how many of `below` are.
  var above0 = vec4u(NEVER);
  var above1 = vec4u(NEVER);
  var below0 = vec4u(NEVER);
  var below1 = vec4u(NEVER);
  if (largest != 0u && largest < INFINITY) {
    var a = largest & 0x7fffffu;
    var exponent = i32(largest >> 23u);
    if (exponent == 0) {
      let shift = countLeadingZeros(a) - 8u; // to bit 23
      a <<= shift;
      exponent = 1 - i32(shift);
    } else {
      a |= 0x800000u;
    }
    // The midpoints from 0 outwards, as m * 2^-s.
    above0 = product(a, exponent, vec4u(42724348u, 64561546u, 54632320u, 39193425u), vec4i(30, 29, 28, 27)).bits;
    above1 = product(a, exponent, vec4u(52252644u, 33666062u, 43136700u, 57812838u), vec4i(27, 26, 26, 26)).bits;
    let near = product(a, exponent, vec4u(48882116u, 37020399u, 62976946u, 45591002u), vec4i(30, 28, 28, 27));
    let far = product(a, exponent, vec4u(61739520u, 40978882u, 56914786u, 56914786u), vec4i(27, 26, 26, 26));
    // x > -B absmax is |x| < B absmax: on the midpoint a negative x has left the code above.
    below0 = select(near.bits, near.bits - vec4u(1u), near.exact);
    below1 = select(far.bits, far.bits - vec4u(1u), far.exact);
    below1.w = NEVER;
  }
  // Infinity over infinity is no number, and above no midpoint.
  let lost = select(NEVER, INFINITY, largest == INFINITY);

  for (var start = 0u; start < count; start += 8u) {
    var word = 0u;
    for (var j = 0u; j < min(8u, count - start); j++) {
      let bits = element(first + start + j);
      let size = bits & 0x7fffffffu;
      let negative = bits != size;
      let t0 = select(above0, below0, negative);
      let t1 = select(above1, below1, negative);
      let steps = select(vec4u(0u), vec4u(1u), vec4u(size) > t0) + select(vec4u(0u), vec4u(1u), vec4u(size) > t1);
      let distance = steps.x + steps.y + steps.z + steps.w;
      let code = select(select(7u + distance, 7u - distance, negative), 0u, size == lost);
      word |= code << (4u * j);
    }
    codes[block * 8u + start / 8u] = word;
  }
}
