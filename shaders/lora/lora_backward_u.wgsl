// lora_backward_u: the gradient of the adapters' inner activations.
//
// Math      du[n, uS + j] = scale * sum_{c = beginS}^{endS - 1} dy[n, c] * b[rowS + c - beginS, j]     for each segment S
// Source    Hu et al., arXiv:2106.09685, section 4.1, differentiated
// Shapes    dy: (N, ldy); b: (rows of B, rank); du: (N, ru); at most three segments, of which those past `segments` are zero
// Dispatch  one invocation for 4 tokens and 4 columns of du, flat; a sum over c in order, so a row does not depend on N. No workgroup
//           memory: for adapters that run on the CPU.
// Oracle    test/reference/lora.ts, loraBackwardU()

struct Params {
  ldy: u32, ru: u32, rank: u32, scale: f32, segments: u32,
  begin0: u32, end0: u32, u0: u32, row0: u32,
  begin1: u32, end1: u32, u1: u32, row1: u32,
  begin2: u32, end2: u32, u2: u32, row2: u32,
}
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const ROWS = 0u; // one of 0, 1, 2: the rows counted by Step are N tokens, M loss tokens or R sequences

@group(0) @binding(0) var<storage, read> b: array<f32>;
@group(0) @binding(1) var<storage, read_write> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> du: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;
@group(0) @binding(4) var<uniform> step: Step;

/// begin, end, first column of u, first row of B
fn segment(s: u32) -> vec4u {
  if (s == 0u) { return vec4u(p.begin0, p.end0, p.u0, p.row0); }
  if (s == 1u) { return vec4u(p.begin1, p.end1, p.u1, p.row1); }
  return vec4u(p.begin2, p.end2, p.u2, p.row2);
}

@compute @workgroup_size(16)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 16u + lane;
  let rows = select(select(step.N, step.M, ROWS == 1u), step.R, ROWS == 2u);
  let rankTiles = (p.rank + 3u) / 4u;
  let tiles = rankTiles * p.segments;
  let n = index / tiles * 4u;
  if (n >= rows) { return; }
  let s = segment((index % tiles) / rankTiles);
  let j = (index % rankTiles) * 4u;

  let row = min(vec4u(n, n + 1u, n + 2u, n + 3u), vec4u(rows - 1u));
  let column = min(vec4u(j, j + 1u, j + 2u, j + 3u), vec4u(p.rank - 1u));
  let dyBase = row * p.ldy + s.x;
  var sum0 = vec4f(0.0);
  var sum1 = vec4f(0.0);
  var sum2 = vec4f(0.0);
  var sum3 = vec4f(0.0);
  for (var c = 0u; c < s.y - s.x; c++) {
    let value = vec4f(dy[dyBase.x + c], dy[dyBase.y + c], dy[dyBase.z + c], dy[dyBase.w + c]);
    let at = (s.w + c) * p.rank + column;
    let weight = vec4f(b[at.x], b[at.y], b[at.z], b[at.w]);
    sum0 += value.x * weight;
    sum1 += value.y * weight;
    sum2 += value.z * weight;
    sum3 += value.w * weight;
  }
  let sums = array<vec4f, 4>(sum0, sum1, sum2, sum3);
  for (var i = 0u; i < 4u && n + i < rows; i++) {
    for (var t = 0u; t < 4u && j + t < p.rank; t++) {
      du[(n + i) * p.ru + s.z + j + t] = p.scale * sums[i][t];
    }
  }
}
