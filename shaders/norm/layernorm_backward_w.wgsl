// layernorm_backward_w: gradients of layer normalisation with respect to its weight and bias (full fine-tuning).
//
// Math      dw[c] += sum_n dy[n,c] * (x[n,c] - mean[n]) * rstd[n];  db[c] += sum_n dy[n,c]
// Source    derivative of Ba, Kiros and Hinton, arXiv:1607.06450, eq. 4
// Shapes    x, dy: (N, C) f32; stats: (N, 2) f32, mean and rstd; dw, db: (C) f32
// Dispatch  ceil(C / 64) workgroups, one thread a column; rows in order, in blocks of 32 whose sums are then added, so that
//           the rounding error grows with the number of blocks and not of rows.
// Oracle    test/reference/norm.ts, layernormBackwardW()

struct Params { C: u32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const ROWS = 0u; // one of 0, 1: the rows counted by Step are N tokens (0) or M loss tokens (1)

@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> stats: array<f32>;
@group(0) @binding(3) var<storage, read_write> dw: array<f32>;
@group(0) @binding(4) var<storage, read_write> db: array<f32>;
@group(0) @binding(5) var<uniform> p: Params;
@group(0) @binding(6) var<uniform> step: Step;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let c = id.x;
  if (c >= p.C) { return; }
  let rows = select(step.N, step.M, ROWS == 1u);
  var sum = vec2f();
  for (var start = 0u; start < rows; start += 32u) {
    let end = min(start + 32u, rows);
    var block = vec2f();
    for (var n = start; n < end; n += 1u) {
      let g = dy[n * p.C + c];
      block += vec2f(g * (x[n * p.C + c] - stats[2u * n]) * stats[2u * n + 1u], g);
    }
    sum += block;
  }
  dw[c] += sum.x;
  db[c] += sum.y;
}
