// lerp_into: moves one range of parameters towards another, in place.
//
// Math      y += alpha (x - y); y = x to the bit where alpha is 1
// Source    Gorbatovski et al., arXiv:2404.09656 (a reference that follows the policy)
// Shapes    x, y: (count) f32 or more
// Dispatch  ceil(count / 256) workgroups, one element a thread
// Oracle    test/reference/elementwise.ts, lerp()

struct Params { count: u32, alpha: f32 }

@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> p: Params;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * groups.x + group.x) * 256u + lane;
  if (i >= p.count) { return; }
  y[i] = select(y[i] + p.alpha * (x[i] - y[i]), x[i], p.alpha == 1.0);
}
