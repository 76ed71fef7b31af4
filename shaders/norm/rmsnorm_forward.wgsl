// rmsnorm_forward: root-mean-square normalisation of each row.
//
// Math      rstd = 1 / sqrt(mean(x^2) + eps)
//           y    = x * rstd * (weight + offset)        offset 0 (Llama, Qwen) or 1 (Gemma)
// Source    Zhang and Sennrich, arXiv:1910.07467, eq. 4; Gemma adds 1 to the weight
// Shapes    x, y: (N, C) f32; weight: (C) f32; rstd: (N) f32
// Workgroup 4 * THREADS bytes
// Dispatch  THREADS threads share a row: strided partial sums, then a tree in fixed order: bitwise repeatable, and a row's
//           result does not depend on N. One row a workgroup; 16 if a row has one thread, to fill a CPU's vectors.
// Oracle    test/reference/norm.ts, rmsnormForward()

struct Params { C: u32, eps: f32, offset: f32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const THREADS = 64u; // one of 64, 1
const ROWS = 0u; // one of 0, 1: the rows counted by Step are N tokens (0) or M loss tokens (1)

@group(0) @binding(0) var<storage, read> weight: array<f32>;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> rstd: array<f32>;
@group(0) @binding(4) var<uniform> p: Params;
@group(0) @binding(5) var<uniform> step: Step;

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

  var sum = 0.0;
  for (var c = lane; c < p.C; c += THREADS) {
    let value = x[base + c];
    sum += value * value;
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
  let scale = inverseSqrt(sum / f32(p.C) + p.eps);
  if (!inside) { return; }

  for (var c = lane; c < p.C; c += THREADS) {
    y[base + c] = x[base + c] * scale * (weight[c] + p.offset);
  }
  if (lane == 0u) { rstd[row] = scale; }
}
