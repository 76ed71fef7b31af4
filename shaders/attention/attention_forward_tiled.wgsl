// attention_forward_tiled: causal softmax attention over packed rows, one workgroup for a tile of queries.
//
// Math      s_ij = scale * q_i . k_j, capped: s = c tanh(s / c); j visible if j <= i and (W = 0 or j > i - W)
//           out_i = sum_j softmax_j(s_ij) v_j;  stats[i, h, 0] = log sum_j exp(s_ij)
// Source    Milakov and Gimelshein, arXiv:1805.02867 (online softmax); Dao, arXiv:2307.08691; GQA: arXiv:2305.13245
// Shapes    q, out: (N, H, D); k: (N, K, D); v: columns (H + K) D.. of qkv (N, (H + 2K) D); stats: (N, H, 2); all f32
//           tiles: (T, 4) u32 {begin, end, rowStart, rowEnd}: at most TILE queries of one row; D4 = D / 4 <= 64
// Workgroup 16 (8 TILE + 128) + 128 TILE bytes
// Dispatch  (T, H) workgroups of 8 x 8 threads. Thread (x, y) makes the scores of queries y, y + 8.. with keys x, x + 8,
//           from slices of 32 channels staged in workgroup memory, and then channels 4 x.. of every slice of out for the same
//           queries: so no thread holds a whole head. Values are read where they lie: 8 threads read 128 bytes in a row.
//           Blocks of keys, and the order of every sum, are those of attention_forward.
// Oracle    test/reference/attention.ts, attentionForward()

struct Params { heads: u32, kvHeads: u32, D4: u32, scale: f32, window: u32, softcap: f32 }

const TILE = 16u; // one of 16, 32
const SLICES = 2u; // one of 1, 2, 3, 4, 5, 6, 7, 8: D / 32, rounded up
const BLOCK = 16u;
const RQ = TILE / 8u; // rows of the tile that a thread has: y, y + 8, ...
const MASK = -1e30;

@group(0) @binding(0) var<storage, read> tiles: array<vec4u>;
@group(0) @binding(1) var<storage, read_write> q: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> k: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> qkv: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(6) var<uniform> p: Params;

var<workgroup> queries: array<vec4f, TILE * 8u>;
var<workgroup> keys: array<vec4f, BLOCK * 8u>;
var<workgroup> scores: array<f32, TILE * BLOCK>;
var<workgroup> weights: array<f32, TILE * BLOCK>;

// Infinite or NaN. Adapters make numbers of exp(NaN) and of max(NaN, x), so such a score is its own weight: out is then NaN.
fn broken(score: vec2f) -> vec2<bool> { return (bitcast<vec2u>(score) & vec2u(0x7f800000u)) == vec2u(0x7f800000u); }

@compute @workgroup_size(8, 8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let x = local.x;
  let y = local.y;
  let tile = tiles[group.x];
  let head = group.y;
  let kvHead = head * p.kvHeads / p.heads;
  let stride = (p.heads + 2u * p.kvHeads) * p.D4;
  let vBase = (p.heads + p.kvHeads + kvHead) * p.D4;

  var total: array<vec4f, RQ * SLICES>;
  var top: array<f32, RQ>;
  var sum: array<f32, RQ>;
  for (var r = 0u; r < RQ; r++) { top[r] = MASK; }
  var first = tile.z;
  if (p.window > 0u && tile.x - tile.z >= p.window) {
    first += (tile.x - tile.z + 1u - p.window) / BLOCK * BLOCK;
  }
  for (var start = first; start < tile.y; start += BLOCK) {
    var score: array<vec2f, RQ>;
    for (var r = 0u; r < RQ; r++) { score[r] = vec2f(); }
    for (var slice = 0u; slice < SLICES; slice++) {
      let c = slice * 8u + x;
      workgroupBarrier();
      for (var r = y; r < TILE; r += 8u) {
        let row = (min(tile.x + r, tile.y - 1u) * p.heads + head) * p.D4;
        queries[r * 8u + x] = select(vec4f(), q[row + min(c, p.D4 - 1u)], c < p.D4);
      }
      for (var b = y; b < BLOCK; b += 8u) {
        let row = (min(start + b, tile.y - 1u) * p.kvHeads + kvHead) * p.D4;
        keys[b * 8u + x] = select(vec4f(), k[row + min(c, p.D4 - 1u)], c < p.D4);
      }
      workgroupBarrier();
      for (var d = 0u; d < 8u; d++) {
        let k0 = keys[x * 8u + d];
        let k1 = keys[(x + 8u) * 8u + d];
        for (var r = 0u; r < RQ; r++) {
          let query = queries[(y + 8u * r) * 8u + d];
          score[r] += vec2f(dot(query, k0), dot(query, k1));
        }
      }
    }
    for (var r = 0u; r < RQ; r++) {
      let i = tile.x + y + 8u * r;
      let j = vec2u(start + x, start + x + 8u);
      var s = score[r] * p.scale;
      if (p.softcap > 0.0) { s = select(p.softcap * tanh(s / p.softcap), s, broken(s)); }
      let seen = (j <= vec2u(i)) & (j < tile.yy) & ((j + p.window > vec2u(i)) | vec2<bool>(p.window == 0u));
      score[r] = select(vec2f(MASK), s, seen);
      scores[(y + 8u * r) * BLOCK + x] = score[r].x;
      scores[(y + 8u * r) * BLOCK + x + 8u] = score[r].y;
    }
    workgroupBarrier();
    for (var r = 0u; r < RQ; r++) {
      let row = (y + 8u * r) * BLOCK;
      let before = top[r];
      for (var b = 0u; b < BLOCK; b++) { top[r] = max(top[r], scores[row + b]); }
      let decay = exp(max(before - top[r], -80.0));
      sum[r] *= decay;
      for (var slice = 0u; slice < SLICES; slice++) { total[r * SLICES + slice] *= decay; }
      var weight = select(exp(max(score[r] - top[r], vec2f(-80.0))), vec2f(), score[r] <= vec2f(MASK));
      weight = select(weight, score[r], broken(score[r]));
      weights[row + x] = weight.x;
      weights[row + x + 8u] = weight.y;
    }
    workgroupBarrier();
    for (var b = 0u; b < min(BLOCK, tile.y - start); b++) {
      let row = (start + b) * stride + vBase;
      for (var r = 0u; r < RQ; r++) { sum[r] += weights[(y + 8u * r) * BLOCK + b]; }
      for (var slice = 0u; slice < SLICES; slice++) {
        let value = qkv[row + min(slice * 8u + x, p.D4 - 1u)];
        for (var r = 0u; r < RQ; r++) { total[r * SLICES + slice] += weights[(y + 8u * r) * BLOCK + b] * value; }
      }
    }
  }

  for (var r = 0u; r < RQ; r++) {
    let i = tile.x + y + 8u * r;
    if (i >= tile.y) { continue; }
    for (var slice = 0u; slice < SLICES; slice++) {
      let c = slice * 8u + x;
      if (c < p.D4) { out[(i * p.heads + head) * p.D4 + c] = total[r * SLICES + slice] / sum[r]; }
    }
    if (x == 0u) { stats[i * p.heads + head].x = top[r] + log(sum[r]); }
  }
}
