// rmsnorm_backward_w: gradient of root-mean-square normalisation with respect to its weight (full fine-tuning).
//
// Math      dw[c] += sum_n dy[n,c] * x[n,c] * rstd[n]
// Source    derivative of Zhang and Sennrich, arXiv:1910.07467, eq. 4
// Shapes    x, dy: (N, C) f32; rstd: (N) f32; dw: (C) f32
// Dispatch  ceil(C / 64) workgroups, one thread a column; rows in order, in blocks of 32 whose sums are then added, so that
//           the rounding error grows with the number of blocks and not of rows.
// Oracle    test/reference/norm.ts, rmsnormBackwardW()

struct Params { C: u32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const ROWS = 0u; // one of 0, 1: the rows counted by Step are N tokens (0) or M loss tokens (1)

@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> rstd: array<f32>;
@group(0) @binding(3) var<storage, read_write> dw: array<f32>;
@group(0) @binding(4) var<uniform> p: Params;
@group(0) @binding(5) var<uniform> step: Step;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let c = id.x;
  if (c >= p.C) { return; }
  let rows = select(step.N, step.M, ROWS == 1u);
  var sum = 0.0;
  for (var start = 0u; start < rows; start += 32u) {
    let end = min(start + 32u, rows);
    var block = 0.0;
    for (var n = start; n < end; n += 1u) {
      block += dy[n * p.C + c] * x[n * p.C + c] * rstd[n];
    }
    sum += block;
  }
  dw[c] += sum;
}
