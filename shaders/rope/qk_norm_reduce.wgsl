// qk_norm_reduce: adds the partial sums of qk_norm_backward_w to the gradient of the norm's weight.
//
// Math      dNorm[c] += sum over s of partials[s, c], s ascending
// Source    design: gradients accumulate, the optimizer clears them
// Shapes    partials: (SPANS, D) f32; dNorm: (D) f32
// Dispatch  ceil(D / 64) workgroups, one thread a channel
// Oracle    test/reference/rope.ts, ropeBackward()

struct Params { D: u32, spans: u32 }

@group(0) @binding(0) var<storage, read_write> partials: array<f32>;
@group(0) @binding(1) var<storage, read_write> dNorm: array<f32>;
@group(0) @binding(2) var<uniform> p: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let c = id.x;
  if (c >= p.D) { return; }
  var sum = 0.0;
  for (var s = 0u; s < p.spans; s++) { sum += partials[s * p.D + c]; }
  dNorm[c] += sum;
}
