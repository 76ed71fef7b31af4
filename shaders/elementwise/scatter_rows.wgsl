// scatter_rows: gradient of gather_rows; tokens that the loss does not read get zero.
//
// Math      dx[n,:] = inverse[n] == 0xffffffff ? 0 : dy[inverse[n],:]
// Source    transpose of gather_rows, whose index names no row twice
// Shapes    dx: (N, C) f32; dy: (M, C) f32; inverse: (N) u32
// Dispatch  ceil(N * C / 256) workgroups, one element a thread
// Oracle    test/reference/elementwise.ts, scatterRows()

struct Params { C: u32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

@group(0) @binding(0) var<storage, read> inverse: array<u32>;
@group(0) @binding(1) var<storage, read_write> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;
@group(0) @binding(4) var<uniform> step: Step;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * groups.x + group.x) * 256u + lane;
  if (i >= step.N * p.C) { return; }
  let n = i / p.C;
  let m = inverse[n];
  if (m == 0xffffffffu) {
    dx[i] = 0.0;
  } else {
    dx[i] = dy[m * p.C + (i - n * p.C)];
  }
}
