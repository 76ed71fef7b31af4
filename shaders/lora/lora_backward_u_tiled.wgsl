// lora_backward_u_tiled: the gradient of the adapters' inner activations, with workgroup memory.
//
// Math      du[n, uS + j] = scale * sum_{c = beginS}^{endS - 1} dy[n, c] * b[rowS + c - beginS, j]     for each segment S
// Source    Hu et al., arXiv:2106.09685, section 4.1, differentiated
// Shapes    dy: (N, ldy); b: (rows of B, rank); du: (N, ru); at most three segments, of which those past `segments` are zero
// Workgroup 16384 bytes: 64 channels of 16 tokens and of 16 columns of b, five vec4 a channel so that neighbouring channels
//           fall into other banks; afterwards the sums of the 16 slices
// Dispatch  one workgroup for 16 tokens and 16 columns of du, flat. 16 slices of 16 invocations each take every 16th group of
//           4 channels; their sums are added in order. A row does not depend on N.
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

const B_TILE = 320u;
var<workgroup> tile: array<vec4f, 1024>;

/// begin, end, first column of u, first row of B
fn segment(s: u32) -> vec4u {
  if (s == 0u) { return vec4u(p.begin0, p.end0, p.u0, p.row0); }
  if (s == 1u) { return vec4u(p.begin1, p.end1, p.u1, p.row1); }
  return vec4u(p.begin2, p.end2, p.u2, p.row2);
}

fn loadY(base: vec4u, c: u32, length: u32) -> vec4f {
  if (c >= length) { return vec4f(0.0); }
  return vec4f(dy[base.x + c], dy[base.y + c], dy[base.z + c], dy[base.w + c]);
}

fn loadB(column: vec4u, c: u32, length: u32) -> vec4f {
  if (c >= length) { return vec4f(0.0); }
  let at = c * p.rank + column;
  return vec4f(b[at.x], b[at.y], b[at.z], b[at.w]);
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = group.y * groups.x + group.x;
  let rows = select(select(step.N, step.M, ROWS == 1u), step.R, ROWS == 2u);
  let rankTiles = (p.rank + 15u) / 16u;
  let tiles = rankTiles * p.segments;
  let n = index / tiles * 16u;
  if (n >= rows) { return; }
  let s = segment((index % tiles) / rankTiles);
  let length = s.y - s.x;
  let j = (index % rankTiles) * 16u;

  // Each invocation loads one channel of 4 tokens, and 4 columns of one row of b: what lies side by side in each.
  let offsets = vec4u(0u, 1u, 2u, 3u);
  let loadC = lane % 64u;
  let quad = lane / 64u;
  let yBase = min(n + quad * 4u + offsets, vec4u(rows - 1u)) * p.ldy + s.x;
  let loadRow = lane / 4u;
  let loadQuad = lane % 4u;
  let bBase = s.w * p.rank + min(j + loadQuad * 4u + offsets, vec4u(p.rank - 1u));

  let slice = lane / 16u;
  let rowQuad = (lane / 4u) % 4u;
  let columnQuad = lane % 4u;
  var sum0 = vec4f(0.0);
  var sum1 = vec4f(0.0);
  var sum2 = vec4f(0.0);
  var sum3 = vec4f(0.0);
  var nextY = loadY(yBase, loadC, length);
  var nextB = loadB(bBase, loadRow, length);
  for (var c = 0u; c < length; c += 64u) {
    tile[loadC * 5u + quad] = nextY;
    tile[B_TILE + loadRow * 5u + loadQuad] = nextB;
    workgroupBarrier();
    // The loads of the next 64 channels are under way while these are multiplied.
    nextY = loadY(yBase, c + 64u + loadC, length);
    nextB = loadB(bBase, c + 64u + loadRow, length);
    for (var i = 0u; i < 4u; i++) {
      let at = (slice * 4u + i) * 5u;
      let value = tile[at + rowQuad];
      let weight = tile[B_TILE + at + columnQuad];
      sum0 += value.x * weight;
      sum1 += value.y * weight;
      sum2 += value.z * weight;
      sum3 += value.w * weight;
    }
    workgroupBarrier();
  }

  let at = slice * 64u + rowQuad * 16u + columnQuad;
  tile[at] = sum0;
  tile[at + 4u] = sum1;
  tile[at + 8u] = sum2;
  tile[at + 12u] = sum3;
  workgroupBarrier();
  var total = 0.0;
  for (var i = 0u; i < 16u; i++) { total += tile[i * 64u + lane / 4u][lane % 4u]; }
  let outRow = n + lane / 16u;
  let outColumn = j + lane % 16u;
  if (outRow < rows && outColumn < p.rank) {
    du[outRow * p.ru + s.z + outColumn] = p.scale * total;
  }
}
