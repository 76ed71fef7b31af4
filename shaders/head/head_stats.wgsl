// head_stats: running statistics of each loss token's logits, over chunks of the vocabulary taken in order.
//
// Math      z' = softcap(z) / temperature;  softcap(z) = cap * tanh(z / cap), or z where cap is 0
//           m = max z';  E = sum exp(z' - m);  A = sum exp(z' - m) (z' - m);  S = sum z';  Q = sum exp(z' - m)^2
//           merging chunk b into a with m = max(m_a, m_b), d = m_a - m:  E = e^d E_a + ..., A = e^d (A_a + d E_a) + ...,
//           Q = e^2d Q_a + ...
//           argmax is the lowest index among equals
// Source    Milakov and Gimelshein, arXiv:1805.02867, algorithm 3, with the sums of the entropy and of the squares beside it
// Shapes    z: (M, stride) f32, of which `columns` are valid; targets: (M) u32
//           state: (M, 8): m, E, A, S, z' of the target, max z' (as m), index of the max (u32), Q
// Workgroup 24 * THREADS bytes
// Dispatch  THREADS threads share a row: strided partial sums in blocks of 32, then a tree in fixed order: bitwise repeatable,
//           and a row's result does not depend on M. One row a workgroup; 16 if a row has one thread, to fill a CPU's vectors.
// Oracle    test/reference/head.ts, headForward()

struct Params { columns: u32, firstColumn: u32, stride: u32, softcap: f32, temperature: f32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const THREADS = 64u; // one of 64, 1
const FIRST = 0u; // one of 0, 1: merge into the state (0) or begin it (1)

@group(0) @binding(0) var<storage, read> targets: array<u32>;
@group(0) @binding(1) var<storage, read_write> z: array<f32>;
// Words, because a small index seen as f32 is a denormal, which an adapter may flush to zero.
@group(0) @binding(2) var<storage, read_write> state: array<u32>;
@group(0) @binding(3) var<uniform> p: Params;
@group(0) @binding(4) var<uniform> step: Step;

const GROUP = select(1u, 16u, THREADS == 1u); // rows

var<workgroup> best: array<f32, THREADS>;
var<workgroup> bestIndex: array<u32, THREADS>;
var<workgroup> partial: array<vec4f, THREADS>;

// The built-in may overflow inside, and loses small arguments to cancellation. Polynomial: Cephes, tanhf.
fn tanhExact(x: f32) -> f32 {
  let size = abs(x);
  if (bitcast<u32>(size) > 0x7f800000u) { return x; } // NaN, of which exp may make a number
  if (size < 0.625) {
    let s = x * x;
    return x + x * s * ((((-5.70498872745e-3 * s + 2.06390887954e-2) * s - 5.37397155531e-2) * s
      + 1.33314422036e-1) * s - 3.33332819422e-1);
  }
  let e = exp(-2.0 * size);
  let t = (1.0 - e) / (1.0 + e);
  return select(t, -t, x < 0.0);
}

fn scaled(raw: f32) -> f32 {
  if (p.softcap > 0.0) { return p.softcap * tanhExact(raw / p.softcap) / p.temperature; }
  return raw / p.temperature;
}

@compute @workgroup_size(THREADS * GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let unit = (group.y * groups.x + group.x) * GROUP + thread / THREADS;
  let lane = thread % THREADS;
  let inside = unit < step.M;
  let row = select(0u, unit, inside);
  let base = row * p.stride;

  var top = -1e30;
  var topColumn = 0u;
  for (var c = lane; c < p.columns; c += THREADS) {
    let value = scaled(z[base + c]);
    if (value > top) {
      top = value;
      topColumn = c;
    }
  }
  if (THREADS > 1u) {
    best[lane] = top;
    bestIndex[lane] = topColumn;
    for (var width = THREADS / 2u; width > 0u; width /= 2u) {
      workgroupBarrier();
      if (lane < width) {
        let other = best[lane + width];
        let otherIndex = bestIndex[lane + width];
        if (other > best[lane] || (other == best[lane] && otherIndex < bestIndex[lane])) {
          best[lane] = other;
          bestIndex[lane] = otherIndex;
        }
      }
    }
    workgroupBarrier();
    top = best[0];
    topColumn = bestIndex[0];
  }
  let chunkMax = top;

  var sums = vec4f(); // E, A, S, Q
  for (var start = lane; start < p.columns; start += 32u * THREADS) {
    let end = min(start + 32u * THREADS, p.columns);
    var block = vec4f();
    for (var c = start; c < end; c += THREADS) {
      let value = scaled(z[base + c]);
      let d = value - chunkMax;
      let e = exp(d);
      block += vec4f(e, e * d, value, e * e);
    }
    sums += block;
  }
  if (THREADS > 1u) {
    partial[lane] = sums;
    for (var width = THREADS / 2u; width > 0u; width /= 2u) {
      workgroupBarrier();
      if (lane < width) { partial[lane] += partial[lane + width]; }
    }
    workgroupBarrier();
    sums = partial[0];
  }
  if (lane > 0u || !inside) { return; }

  let chunk = sums;
  var m = chunkMax;
  var E = chunk.x;
  var A = chunk.y;
  var S = chunk.z;
  var Q = chunk.w;
  var targetZ = 0.0;
  var index = p.firstColumn + topColumn;
  let at = 8u * row;
  if (FIRST == 0u) {
    let oldMax = bitcast<f32>(state[at]);
    let oldE = bitcast<f32>(state[at + 1u]);
    targetZ = bitcast<f32>(state[at + 4u]);
    if (chunkMax > oldMax) {
      let d = oldMax - chunkMax;
      E += exp(d) * oldE;
      A += exp(d) * (bitcast<f32>(state[at + 2u]) + d * oldE);
      Q += exp(d) * exp(d) * bitcast<f32>(state[at + 7u]);
    } else {
      m = oldMax;
      index = state[at + 6u];
      let d = chunkMax - oldMax;
      E = oldE + exp(d) * chunk.x;
      A = bitcast<f32>(state[at + 2u]) + exp(d) * (chunk.y + d * chunk.x);
      Q = bitcast<f32>(state[at + 7u]) + exp(d) * exp(d) * chunk.w;
    }
    S += bitcast<f32>(state[at + 3u]);
  }
  let column = targets[row] - p.firstColumn; // wraps to a large number for columns before this chunk
  if (column < p.columns) { targetZ = scaled(z[base + column]); }
  state[at] = bitcast<u32>(m);
  state[at + 1u] = bitcast<u32>(E);
  state[at + 2u] = bitcast<u32>(A);
  state[at + 3u] = bitcast<u32>(S);
  state[at + 4u] = bitcast<u32>(targetZ);
  state[at + 5u] = bitcast<u32>(m);
  state[at + 6u] = index;
  state[at + 7u] = bitcast<u32>(Q);
}
