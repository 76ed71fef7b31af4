// copy_rate: a copy from one buffer to another: the rate at which the adapter's memory is read and written.
//
// Math      y = x
// Source    -
// Shapes    x, y: (count, 4) f32
// Dispatch  ceil(count / 64) workgroups, flat; a vector a thread, 32 bytes read and written
// Oracle    test/reference/bench.ts, copyRate()

struct Params { count: u32 }

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<uniform> p: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * groups.x + group.x) * 64u + lane;
  if (i >= p.count) { return; }
  y[i] = x[i];
}
