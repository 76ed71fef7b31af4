// take_column: one column of what the head gives, by itself: the log-probabilities that other programs or the host read.
//
// Math      y[m] = x[m, column]
// Source    -
// Shapes    x: (M, C) f32; y: (M) f32
// Dispatch  ceil(M / 64) workgroups, one row a thread
// Oracle    test/reference/elementwise.ts, takeColumn()

struct Params { C: u32, column: u32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> p: Params;
@group(0) @binding(3) var<uniform> step: Step;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= step.M) { return; }
  y[id.x] = x[id.x * p.C + p.column];
}
