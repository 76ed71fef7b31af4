// sample_filter: which tokens may be drawn next; the others' logits become -1e30, in place. One sequence a row.
//
// Math      z_c = cap * tanh(z / cap), or z where cap is 0
//           s   = penalised z_c / temperature; penalised: z_c * penalty where negative, else z_c / penalty, for tokens seen
//           then, in this order:  top-k: keep s >= the k-th largest (all equals of it)
//           top-p: of what is left, drop where the probability of larger s is already top_p or more (all equals together)
//           min-p: drop where exp(s - max) < min_p.   The largest is always kept. At temperature 0 nothing is dropped.
//           stats: M = max z_c;  log sum exp(z_c - M);  log sum exp((z_c - M) / temperature);  0, or not finite if a logit is
//           A threshold is found two bits at a time on the bits of s, so it is one of the values: membership is exact.
// Source    transformers, generation/logits_process.py; Holtzman et al., arXiv:1904.09751; Nguyen et al., arXiv:2407.01082
// Shapes    z: (R, V) f32; seen: (R, ceil(V / 32)) u32, bit v % 32 of word v / 32; stats: (R, 4) f32
// Workgroup 16 * THREADS bytes
// Dispatch  R workgroups, one row each; at most 35 passes over the row, 3 without top-k and top-p. Strided partial sums in
//           blocks of 32, then a tree in fixed order: bitwise repeatable, and a row's result does not depend on R.
// Oracle    test/reference/sample.ts, kept()

struct Params { V: u32, softcap: f32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const THREADS = 256u; // one of 256, 1

@group(0) @binding(0) var<storage, read_write> z: array<f32>;
@group(0) @binding(1) var<storage, read_write> seen: array<u32>;
@group(0) @binding(2) var<storage, read_write> stats: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;
@group(0) @binding(4) var<uniform> step: Step;

var<workgroup> partial: array<vec3f, THREADS>;

fn total(lane: u32, value: vec3f) -> vec3f {
  workgroupBarrier();
  partial[lane] = value;
  for (var width = THREADS / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (lane < width) { partial[lane] += partial[lane + width]; }
  }
  workgroupBarrier();
  return partial[0];
}

fn largest(lane: u32, value: vec3f) -> vec3f {
  workgroupBarrier();
  partial[lane] = value;
  for (var width = THREADS / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (lane < width) { partial[lane] = max(partial[lane], partial[lane + width]); }
  }
  workgroupBarrier();
  return partial[0];
}

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

fn capped(raw: f32) -> f32 {
  if (p.softcap > 0.0) { return p.softcap * tanhExact(raw / p.softcap); }
  return raw;
}

fn temperature() -> f32 {
  return select(1.0, step.temperature, step.temperature > 0.0);
}

fn score(row: u32, v: u32) -> f32 {
  var value = capped(z[row * p.V + v]);
  if (step.penalty != 1.0) {
    let word = seen[row * ((p.V + 31u) / 32u) + v / 32u];
    if (((word >> (v % 32u)) & 1u) == 1u) {
      value = select(value / step.penalty, value * step.penalty, value < 0.0);
    }
  }
  return value / temperature();
}

// The order of floats as an order of integers.
fn keyOf(value: f32) -> u32 {
  let bits = bitcast<u32>(select(value, 0.0, value == 0.0)); // -0 is 0
  return select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
}

// Sums of weights over s >= each of three thresholds, of the tokens from `low` on. The weight is 1, or exp(s - top).
fn sumsFrom(lane: u32, row: u32, low: u32, thresholds: vec3u, counting: bool, top: f32) -> vec3f {
  var sum = vec3f();
  for (var start = lane; start < p.V; start += 32u * THREADS) {
    let end = min(start + 32u * THREADS, p.V);
    var block = vec3f();
    for (var v = start; v < end; v += THREADS) {
      let s = score(row, v);
      let key = keyOf(s);
      if (key >= max(low, thresholds.x)) {
        let weight = select(exp(s - top), 1.0, counting);
        block += select(vec3f(), vec3f(weight), vec3u(key) >= thresholds);
      }
    }
    sum += block;
  }
  return total(lane, sum);
}

// The largest threshold whose sum reaches the goal.
fn threshold(lane: u32, row: u32, low: u32, goal: f32, counting: bool, top: f32) -> u32 {
  var found = 0u;
  for (var shift = 32u; shift > 0u;) {
    shift -= 2u;
    let steps = vec3u(found) | (vec3u(1u, 2u, 3u) << vec3u(shift));
    let sums = sumsFrom(lane, row, low, steps, counting, top);
    if (sums.z >= goal) {
      found = steps.z;
    } else if (sums.y >= goal) {
      found = steps.y;
    } else if (sums.x >= goal) {
      found = steps.x;
    }
  }
  return found;
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.y * groups.x + group.x;
  if (row >= step.R) { return; }

  var most = vec3f(-1e30);
  for (var v = lane; v < p.V; v += THREADS) {
    most = max(most, vec3f(capped(z[row * p.V + v]), score(row, v), -1e30));
  }
  most = largest(lane, most);

  var sum = vec3f();
  for (var start = lane; start < p.V; start += 32u * THREADS) {
    let end = min(start + 32u * THREADS, p.V);
    var block = vec3f();
    for (var v = start; v < end; v += THREADS) {
      let value = capped(z[row * p.V + v]);
      let d = value - most.x;
      block += vec3f(exp(d), exp(d / temperature()), value);
    }
    sum += block;
  }
  let sums = total(lane, sum);
  if (lane == 0u) {
    stats[4u * row] = most.x;
    stats[4u * row + 1u] = log(sums.x);
    stats[4u * row + 2u] = log(sums.y);
    stats[4u * row + 3u] = select(0.0, sums.z, (bitcast<u32>(sums.z) & 0x7f800000u) == 0x7f800000u);
  }
  if (step.temperature <= 0.0) { return; }

  let top = most.y;
  var low = 0u;
  if (step.top_k > 0u && step.top_k < p.V) {
    low = threshold(lane, row, 0u, f32(step.top_k), true, top);
  }
  if (step.top_p < 1.0) {
    let all = sumsFrom(lane, row, low, vec3u(low), false, top).x;
    low = max(low, threshold(lane, row, low, step.top_p * all, false, top));
  }
  low = min(low, keyOf(top));
  for (var v = lane; v < p.V; v += THREADS) {
    let s = score(row, v);
    if (keyOf(s) < low || (step.min_p > 0.0 && s < top && exp(s - top) < step.min_p)) {
      z[row * p.V + v] = -1e30;
    }
  }
}
