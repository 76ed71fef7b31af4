// head_dlogits: turns a chunk of logits, in place, into the gradient of the loss with respect to them.
//
// Math      z_c = cap * tanh(z / cap), or z where cap is 0;  z' = z_c / temperature;  log p = z' - lse;  p = exp(log p)
//           g  = d_logp (1_target - p) - d_entropy p (log p + entropy) + d_mean_logp (1 / V - p)
//           dz = g (1 - (z_c / cap)^2) / temperature
// Source    derivative of head_finish
// Shapes    z: (M, stride) f32, of which `columns` are valid; out: (M, 4) f32: logp, entropy, lse, mean_logp;
//           targets: (M) u32; upstream: (M, 3) f32: dloss/d logp, entropy, mean_logp
// Dispatch  ceil(M * columns / 256) workgroups, one element a thread
// Oracle    test/reference/head.ts, headBackward()

struct Params { columns: u32, firstColumn: u32, stride: u32, V: u32, softcap: f32, temperature: f32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

@group(0) @binding(0) var<storage, read> targets: array<u32>;
@group(0) @binding(1) var<storage, read_write> z: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<storage, read_write> upstream: array<f32>;
@group(0) @binding(4) var<uniform> p: Params;
@group(0) @binding(5) var<uniform> step: Step;

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

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * groups.x + group.x) * 256u + lane;
  if (i >= step.M * p.columns) { return; }
  let row = i / p.columns;
  let c = i - row * p.columns;
  let at = row * p.stride + c;

  var scaled = z[at];
  var slope = 1.0 / p.temperature;
  if (p.softcap > 0.0) {
    let t = tanhExact(scaled / p.softcap);
    scaled = p.softcap * t;
    slope *= 1.0 - t * t;
  }
  let logp = scaled / p.temperature - out[4u * row + 2u];
  // Some adapters make a number of exp(NaN).
  let prob = select(exp(logp), logp, (bitcast<u32>(logp) & 0x7fffffffu) > 0x7f800000u);
  let isTarget = select(0.0, 1.0, p.firstColumn + c == targets[row]);
  let g = upstream[3u * row] * (isTarget - prob)
    - upstream[3u * row + 1u] * prob * (logp + out[4u * row + 1u])
    + upstream[3u * row + 2u] * (1.0 / f32(p.V) - prob);
  z[at] = g * slope;
}
