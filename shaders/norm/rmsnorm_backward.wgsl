// rmsnorm_backward: gradient of root-mean-square normalisation with respect to its input.
//
// Math      g    = dy * (weight + offset);  x_hat = x * rstd
//           d_x  = rstd * (g - x_hat * mean(g * x_hat))          dx = d_x, or dx += d_x where the residual stream meets it
// Source    derivative of Zhang and Sennrich, arXiv:1910.07467, eq. 4
// Shapes    x, dy, dx: (N, C) f32; weight: (C) f32; rstd: (N) f32, from rmsnorm_forward
// Workgroup 4 * THREADS bytes
// Dispatch  THREADS threads share a row: strided partial sums, then a tree in fixed order: bitwise repeatable, and a row's
//           result does not depend on N. One row a workgroup; 16 if a row has one thread, to fill a CPU's vectors.
// Oracle    test/reference/norm.ts, rmsnormBackward()

struct Params { C: u32, offset: f32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const THREADS = 64u; // one of 64, 1
const ROWS = 0u; // one of 0, 1: the rows counted by Step are N tokens (0) or M loss tokens (1)
const ACCUMULATE = 0u; // one of 0, 1: dx is overwritten (0) or added to (1)

@group(0) @binding(0) var<storage, read> weight: array<f32>;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> rstd: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;
@group(0) @binding(5) var<uniform> p: Params;
@group(0) @binding(6) var<uniform> step: Step;

const GROUP = select(1u, 16u, THREADS == 1u); // rows

var<workgroup> partial: array<f32, THREADS>;

@compute @workgroup_size(THREADS * GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let unit = (group.y * groups.x + group.x) * GROUP + thread / THREADS;
  let lane = thread % THREADS;
  let inside = unit < select(step.N, step.M, ROWS == 1u);
  let row = select(0u, unit, inside);
  let base = row * p.C;
  let scale = rstd[row];

  var sum = 0.0;
  for (var c = lane; c < p.C; c += THREADS) {
    sum += dy[base + c] * (weight[c] + p.offset) * x[base + c] * scale;
  }
  if (THREADS > 1u) {
    partial[lane] = sum;
    for (var width = THREADS / 2u; width > 0u; width /= 2u) {
      workgroupBarrier();
      if (lane < width) { partial[lane] += partial[lane + width]; }
    }
    workgroupBarrier();
    sum = partial[0];
  }
  let mean = sum / f32(p.C);
  if (!inside) { return; }

  for (var c = lane; c < p.C; c += THREADS) {
    let g = dy[base + c] * (weight[c] + p.offset);
    let value = scale * (g - x[base + c] * scale * mean);
    dx[base + c] = select(value, dx[base + c] + value, ACCUMULATE == 1u);
  }
}
