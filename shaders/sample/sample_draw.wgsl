// sample_draw: draws the next token of each sequence from what sample_filter left, and marks it as seen.
//
// Math      token = argmax_v s_v - log(x_v), x_v = -log(1 - u_v) exponentially distributed (the Gumbel-max trick);
//           u_v = (hash(seed, key, position, v) + 1/2) / 2^32, position = Step.step: no neighbour has a part in it
//           s as in sample_filter; temperature 0: argmax_v s_v. The lowest token of equals wins.
//           logps: of the token, before penalty and filters: log softmax(z_c), log softmax(z_c / temperature)
// Source    Gumbel, 1954; Maddison, Tarlow and Minka, arXiv:1411.0030, section 2
// Shapes    z: (R, V) f32, stats: (R, 4) f32, both from sample_filter; seen: (R, ceil(V / 32)) u32; keys: (R) u32
//           tokens: (R) u32; logps: (R, 2) f32
// Workgroup 8 * THREADS bytes
// Dispatch  R workgroups, one row each
// Oracle    test/reference/sample.ts, draw()

struct Params { V: u32, softcap: f32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const THREADS = 256u; // one of 256, 1

@group(0) @binding(0) var<storage, read> keys: array<u32>;
@group(0) @binding(1) var<storage, read_write> z: array<f32>;
@group(0) @binding(2) var<storage, read_write> seen: array<u32>;
@group(0) @binding(3) var<storage, read_write> stats: array<f32>;
@group(0) @binding(4) var<storage, read_write> tokens: array<u32>;
@group(0) @binding(5) var<storage, read_write> logps: array<f32>;
@group(0) @binding(6) var<uniform> p: Params;
@group(0) @binding(7) var<uniform> step: Step;

var<workgroup> best: array<f32, THREADS>;
var<workgroup> bestToken: array<u32, THREADS>;

fn pcg(x: u32) -> u32 {
  let state = x * 747796405u + 2891336453u;
  let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
  return (word >> 22u) ^ word;
}

// log of an exponentially distributed number. The smallest decide, so they keep their relative accuracy.
fn logExponential(bits: u32) -> f32 {
  let u = min((f32(bits) + 0.5) * 2.3283064365386963e-10, 0.99999994);
  if (u < 0.125) {
    return log(u * (1.0 + u * (1.0 / 2.0 + u * (1.0 / 3.0 + u * (1.0 / 4.0 + u * (1.0 / 5.0 + u / 6.0))))));
  }
  return log(-log(1.0 - u));
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

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.y * groups.x + group.x;
  if (row >= step.R) { return; }
  let state = pcg(pcg(pcg(0x9e3779b9u ^ step.seed) ^ keys[row]) ^ step.step);

  var top = -3e38;
  var token = 0xffffffffu;
  for (var v = lane; v < p.V; v += THREADS) {
    if (z[row * p.V + v] <= -1e30) { continue; }
    var value = score(row, v);
    if (step.temperature > 0.0) { value -= logExponential(pcg(state ^ v)); }
    if (value > top) {
      top = value;
      token = v;
    }
  }
  best[lane] = top;
  bestToken[lane] = token;
  for (var width = THREADS / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (lane < width) {
      let other = best[lane + width];
      let otherToken = bestToken[lane + width];
      if (other > best[lane] || (other == best[lane] && otherToken < bestToken[lane])) {
        best[lane] = other;
        bestToken[lane] = otherToken;
      }
    }
  }
  workgroupBarrier();
  if (lane > 0u) { return; }

  let chosen = min(bestToken[0], p.V - 1u); // where no logit is a number, something must still be a token
  tokens[row] = chosen;
  let d = capped(z[row * p.V + chosen]) - stats[4u * row];
  let broken = stats[4u * row + 3u];
  logps[2u * row] = d - stats[4u * row + 1u] + broken;
  logps[2u * row + 1u] = d / temperature() - stats[4u * row + 2u] + broken;
  seen[row * ((p.V + 31u) / 32u) + chosen / 32u] |= 1u << (chosen % 32u);
}
