// lora_backward_ab_tiled: the gradients of the adapters' two matrices, with workgroup memory.
//
// Math      da[uS + j, k]               += sum_n du[n, uS + j] * drop(x)[n, k]                     for each segment S
//           db[rowS + c - beginS, j]    += scale * sum_n dy[n, c] * u[n, uS + j]       beginS <= c < endS
//           drop(x)[n, k] = 0 if unit(hash(seed, step, keys[n], tag + (uS + j) / rank, k)) < rate, else x[n, k] * keep
// Source    Hu et al., arXiv:2106.09685, section 4.1, differentiated
// Shapes    x: (N, ldx), from column `column`; dy: (N, ldy); u, du: (N, ru); keys: (N) u32; da: (ru, K); db: (rows of B, rank)
// Workgroup 16384 bytes: 64 tokens of 16 columns of the rank and of 32 of x or dy; afterwards the sums of the 8 slices
// Dispatch  one workgroup for 16 columns of the rank and 32 columns of x or dy, flat: first all of da, then all of db. 8 slices
//           of 32 invocations each take every 8th group of 8 tokens; their sums are added in order. `keys` is bound for
//           writing because without dropout nothing stands in for it.
// Oracle    test/reference/lora.ts, loraBackwardAb()

struct Params {
  ldx: u32, column: u32, K: u32, ldy: u32, ru: u32, rank: u32, scale: f32, tag: u32, rate: f32, keep: f32, segments: u32,
  begin0: u32, end0: u32, u0: u32, row0: u32,
  begin1: u32, end1: u32, u1: u32, row1: u32,
  begin2: u32, end2: u32, u2: u32, row2: u32,
}
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const ROWS = 0u; // one of 0, 1, 2: the rows counted by Step are N tokens, M loss tokens or R sequences
const DROPOUT = 0u; // one of 0, 1

@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> u: array<f32>;
@group(0) @binding(3) var<storage, read_write> du: array<f32>;
@group(0) @binding(4) var<storage, read_write> keys: array<u32>;
@group(0) @binding(5) var<storage, read_write> da: array<f32>;
@group(0) @binding(6) var<storage, read_write> db: array<f32>;
@group(0) @binding(7) var<uniform> p: Params;
@group(0) @binding(8) var<uniform> step: Step;

const WIDE_TILE = 256u;
var<workgroup> tile: array<vec4f, 1024>;

fn pcg(value: u32) -> u32 {
  let state = value * 747796405u + 2891336453u;
  let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
  return (word >> 22u) ^ word;
}

/// The hash of everything but the channel.
fn stream(row: u32, projection: u32) -> u32 {
  return pcg(pcg(pcg(pcg(0x9e3779b9u ^ step.seed) ^ step.step) ^ keys[row]) ^ (p.tag + projection));
}

fn drop4(h: u32, k: u32) -> vec4f {
  let bits = vec4u(pcg(h ^ k), pcg(h ^ (k + 1u)), pcg(h ^ (k + 2u)), pcg(h ^ (k + 3u)));
  return select(vec4f(p.keep), vec4f(0.0), vec4f(bits >> vec4u(8u)) / 16777216.0 < vec4f(p.rate));
}

/// begin, end, first column of u, first row of B
fn segment(s: u32) -> vec4u {
  if (s == 0u) { return vec4u(p.begin0, p.end0, p.u0, p.row0); }
  if (s == 1u) { return vec4u(p.begin1, p.end1, p.u1, p.row1); }
  return vec4u(p.begin2, p.end2, p.u2, p.row2);
}

fn tilesOf(columns: u32) -> u32 { return (columns + 31u) / 32u; }

/// 4 columns of du (for da) or of u (for db), the last ones repeated.
fn loadRank(isA: bool, n: u32, rows: u32, column: vec4u) -> vec4f {
  if (n >= rows) { return vec4f(0.0); }
  let at = n * p.ru + column;
  if (isA) { return vec4f(du[at.x], du[at.y], du[at.z], du[at.w]); }
  return vec4f(u[at.x], u[at.y], u[at.z], u[at.w]);
}

/// 4 columns of drop(x) (for da) or of dy (for db), the last ones repeated. `first` is the first one's channel.
fn loadWide(isA: bool, n: u32, rows: u32, column: vec4u, first: u32, projection: u32) -> vec4f {
  if (n >= rows) { return vec4f(0.0); }
  if (!isA) {
    let at = n * p.ldy + column;
    return vec4f(dy[at.x], dy[at.y], dy[at.z], dy[at.w]);
  }
  let at = n * p.ldx + column;
  let value = vec4f(x[at.x], x[at.y], x[at.z], x[at.w]);
  if (DROPOUT == 1u) { return value * drop4(stream(n, projection), first); }
  return value;
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
  let j = (index % rankTiles) * 16u;
  var wide = index / rankTiles;
  let isA = wide < tilesOf(p.K) * p.segments;
  var which = 0u;
  if (isA) {
    which = wide / tilesOf(p.K);
    wide = wide % tilesOf(p.K);
  } else {
    wide -= tilesOf(p.K) * p.segments;
    while (which < p.segments && wide >= tilesOf(segment(which).y - segment(which).x)) {
      wide -= tilesOf(segment(which).y - segment(which).x);
      which += 1u;
    }
  }
  if (which >= p.segments) { return; }
  let s = segment(which);
  let width = select(s.y - s.x, p.K, isA);
  let w = wide * 32u;

  // Each invocation loads 4 columns of the rank of one token, and 4 columns of x or dy of two.
  let offsets = vec4u(0u, 1u, 2u, 3u);
  let rankN = lane / 4u;
  let rankColumn = s.z + min(j + (lane % 4u) * 4u + offsets, vec4u(p.rank - 1u));
  let wideN = lane / 8u;
  let first = w + (lane % 8u) * 4u;
  let wideColumn = select(s.x, p.column, isA) + min(first + offsets, vec4u(width - 1u));
  let projection = s.z / p.rank;

  let slice = lane / 32u;
  let rankQuad = (lane / 8u) % 4u;
  let wideQuad = lane % 8u;
  var sum0 = vec4f(0.0);
  var sum1 = vec4f(0.0);
  var sum2 = vec4f(0.0);
  var sum3 = vec4f(0.0);
  var nextRank = loadRank(isA, rankN, rows, rankColumn);
  var nextWide0 = loadWide(isA, wideN, rows, wideColumn, first, projection);
  var nextWide1 = loadWide(isA, wideN + 32u, rows, wideColumn, first, projection);
  for (var n = 0u; n < rows; n += 64u) {
    tile[lane] = nextRank;
    tile[WIDE_TILE + lane] = nextWide0;
    tile[WIDE_TILE + 256u + lane] = nextWide1;
    workgroupBarrier();
    // The loads of the next 64 tokens are under way while these are multiplied.
    nextRank = loadRank(isA, n + 64u + rankN, rows, rankColumn);
    nextWide0 = loadWide(isA, n + 64u + wideN, rows, wideColumn, first, projection);
    nextWide1 = loadWide(isA, n + 96u + wideN, rows, wideColumn, first, projection);
    for (var i = 0u; i < 8u; i++) {
      let token = slice * 8u + i;
      let value = tile[token * 4u + rankQuad];
      let other = tile[WIDE_TILE + token * 8u + wideQuad];
      sum0 += value.x * other;
      sum1 += value.y * other;
      sum2 += value.z * other;
      sum3 += value.w * other;
    }
    workgroupBarrier();
  }

  let at = slice * 128u + rankQuad * 32u + wideQuad;
  tile[at] = sum0;
  tile[at + 8u] = sum1;
  tile[at + 16u] = sum2;
  tile[at + 24u] = sum3;
  workgroupBarrier();
  for (var half = 0u; half < 2u; half++) {
    // Outputs side by side in memory belong to lanes side by side: columns of x in da, columns of the rank in db.
    let o = half * 256u + lane;
    let outJ = select(o % 16u, o / 32u, isA);
    let outW = select(o / 16u, o % 32u, isA);
    var total = 0.0;
    for (var i = 0u; i < 8u; i++) { total += tile[i * 128u + outJ * 8u + outW / 4u][outW % 4u]; }
    if (j + outJ < p.rank && w + outW < width) {
      if (isA) {
        da[(s.z + j + outJ) * p.K + w + outW] += total;
      } else {
        db[(s.w + w + outW) * p.rank + j + outJ] += p.scale * total;
      }
    }
  }
}
