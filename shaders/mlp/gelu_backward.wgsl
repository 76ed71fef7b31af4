// gelu_backward: gradient of GELU in its tanh form.
//
// Math      dx = dy * ((1 + t)/2 + x/2 * (1 - t^2) * k * (1 + 0.134145 x^2)), t = tanh(k (x + 0.044715 x^3)), k = sqrt(2/pi)
// Source    derivative of gelu_forward
// Shapes    x, dy, dx: (N, C) f32
// Dispatch  ceil(N * C / 256) workgroups, one element a thread
// Oracle    test/reference/mlp.ts, geluBackward()

struct Params { C: u32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;
@group(0) @binding(4) var<uniform> step: Step;

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
  if (i >= step.N * p.C) { return; }
  let a = x[i];
  let k = 0.7978845608028654;
  let t = tanhExact(k * (a + 0.044715 * a * a * a));
  // 1 - t^2 is zero long before a^2 overflows; the minimum keeps the product from being 0 times infinity.
  dx[i] = dy[i] * (0.5 * (1.0 + t) + 0.5 * a * (1.0 - t * t) * k * (1.0 + 0.134145 * min(a * a, 1e6)));
}
