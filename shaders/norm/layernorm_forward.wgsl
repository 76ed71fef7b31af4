// layernorm_forward: layer normalisation of each row.
//
// Math      mean = sum(x) / C;  rstd = 1 / sqrt(sum((x - mean)^2) / C + eps)
//           y    = (x - mean) * rstd * weight + bias
// Source    Ba, Kiros and Hinton, arXiv:1607.06450, eq. 4; the variance is that of a population, as in GPT-2
// Shapes    x, y: (N, C) f32; weight, bias: (C) f32; stats: (N, 2) f32, mean and rstd
// Workgroup 4 * THREADS bytes
// Dispatch  THREADS threads share a row: strided partial sums, then a tree in fixed order: bitwise repeatable, and a row's
//           result does not depend on N. One row a workgroup; 16 if a row has one thread, to fill a CPU's vectors.
// Oracle    test/reference/norm.ts, layernormForward()

struct Params { C: u32, eps: f32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const THREADS = 64u; // one of 64, 1
const ROWS = 0u; // one of 0, 1: the rows counted by Step are N tokens (0) or M loss tokens (1)

@group(0) @binding(0) var<storage, read> weight: array<f32>;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read_write> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> stats: array<f32>;
@group(0) @binding(5) var<uniform> p: Params;
@group(0) @binding(6) var<uniform> step: Step;

const GROUP = select(1u, 16u, THREADS == 1u); // rows

var<workgroup> partial: array<f32, THREADS>;

fn total(lane: u32, value: f32) -> f32 {
  if (THREADS == 1u) { return value; }
  workgroupBarrier();
  partial[lane] = value;
  for (var width = THREADS / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (lane < width) { partial[lane] += partial[lane + width]; }
  }
  workgroupBarrier();
  return partial[0];
}

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
  for (var c = lane; c < p.C; c += THREADS) { sum += x[base + c]; }
  let mean = total(lane, sum) / f32(p.C);

  var squares = 0.0;
  for (var c = lane; c < p.C; c += THREADS) {
    let value = x[base + c] - mean;
    squares += value * value;
  }
  let scale = inverseSqrt(total(lane, squares) / f32(p.C) + p.eps);
  if (!inside) { return; }

  for (var c = lane; c < p.C; c += THREADS) {
    y[base + c] = (x[base + c] - mean) * scale * weight[c] + bias[c];
  }
  if (lane == 0u) {
    stats[2u * row] = mean;
    stats[2u * row + 1u] = scale;
  }
}
