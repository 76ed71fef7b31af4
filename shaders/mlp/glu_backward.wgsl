// glu_backward: gradient of the gated linear unit.
//
// Math      d_up = dh * act(gate);  d_gate = dh * up * act'(gate)
//           silu'(a) = s * (1 + a * (1 - s)), s = sigmoid(a)
//           gelu_tanh'(a) = (1 + t)/2 + a/2 * (1 - t^2) * k * (1 + 0.134145 a^2), t = tanh(k (a + 0.044715 a^3)), k = sqrt(2/pi)
// Source    derivative of glu_forward
// Shapes    gate_up, d_gate_up: (N, 2F) f32, gate first; dh: (N, F) f32
// Dispatch  ceil(N * F / 256) workgroups, one element of dh a thread
// Oracle    test/reference/mlp.ts, gluBackward()

struct Params { F: u32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const ACT = 0u; // one of 0, 1: silu (0) or gelu_tanh (1)

@group(0) @binding(0) var<storage, read_write> gateUp: array<f32>;
@group(0) @binding(1) var<storage, read_write> dh: array<f32>;
@group(0) @binding(2) var<storage, read_write> dGateUp: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;
@group(0) @binding(4) var<uniform> step: Step;

fn sigmoid(x: f32) -> f32 {
  let e = exp(-abs(x)); // never overflows
  return select(e, 1.0, x >= 0.0) / (1.0 + e);
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

// (act(a), its derivative)
fn actWithSlope(a: f32) -> vec2f {
  if (ACT == 0u) {
    let s = sigmoid(a);
    return vec2f(a * s, s * (1.0 + a * (1.0 - s)));
  }
  let k = 0.7978845608028654;
  let t = tanhExact(k * (a + 0.044715 * a * a * a));
  // 1 - t^2 is zero long before a^2 overflows; the minimum keeps the product from being 0 times infinity.
  let slope = 0.5 * (1.0 + t) + 0.5 * a * (1.0 - t * t) * k * (1.0 + 0.134145 * min(a * a, 1e6));
  return vec2f(0.5 * a * (1.0 + t), slope);
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * groups.x + group.x) * 256u + lane;
  if (i >= step.N * p.F) { return; }
  let n = i / p.F;
  let f = i - n * p.F;
  let base = 2u * n * p.F + f;
  let a = actWithSlope(gateUp[base]);
  dGateUp[base] = dh[i] * gateUp[base + p.F] * a.y;
  dGateUp[base + p.F] = dh[i] * a.x;
}
