// bias_backward: the gradient of a bias, added to what is there.
//
// Math      db[m] += sum_n dy[n, dyColumn + m]
// Source    y = x W' + b gives db = sum_n dy
// Shapes    dy: (N, ldy) f32; db: (M) f32
// Workgroup 64 * LANES bytes
// Dispatch  ceil(M / 16) workgroups, 16 columns each; LANES partial sums over every LANES-th token, added in fixed order.
// Oracle    test/reference/linear.ts, biasBackward()

struct Params {
  M: u32,
  dyColumn: u32,
  ldy: u32,
  counted: u32, // the rows counted by Step are N tokens (0) or M loss tokens (1) or R sequences (2)
}
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const LANES = 16u; // one of 16, 1

@group(0) @binding(0) var<storage, read_write> dy: array<f32>;
@group(0) @binding(1) var<storage, read_write> db: array<f32>;
@group(0) @binding(2) var<uniform> p: Params;
@group(0) @binding(3) var<uniform> step: Step;

var<workgroup> partial: array<f32, 16u * LANES>;

@compute @workgroup_size(16, LANES)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_id) lane: vec3u) {
  let rows = select(select(step.N, step.M, p.counted == 1u), step.R, p.counted == 2u);
  let m = id.x;
  var sum = 0.0;
  if (m < p.M) {
    for (var n = lane.y; n < rows; n += LANES) { sum += dy[n * p.ldy + p.dyColumn + m]; }
  }
  partial[16u * lane.y + lane.x] = sum;
  workgroupBarrier();
  if (lane.y > 0u || m >= p.M) { return; }
  for (var i = 1u; i < LANES; i++) { sum += partial[16u * i + lane.x]; }
  db[m] += sum;
}
