// attention_backward_q_tiled: gradient of causal attention for the queries, one workgroup for a tile of them.
//
// Math      delta_i = sum_d d_out_id out_id;  w_ij = exp(s_ij - lse_i);  dw_ij = d_out_i . v_j
//           ds_ij = w_ij (dw_ij - delta_i) (1 - (s_ij / c)^2 if capped);  d_q_i = scale * sum_j ds_ij k_j
//           stats[i, h, 1] = delta_i
// Source    Dao, arXiv:2307.08691, section 3.1; the softcap factor is the derivative of c tanh(s / c)
// Shapes    q, out, d_out, d_q: (N, H, D); k: (N, K, D); v: columns (H + K) D.. of qkv (N, (H + 2K) D); stats: (N, H, 2)
//           tiles: (T, 4) u32 {begin, end, rowStart, rowEnd}: at most TILE queries of one row; D4 = D / 4 <= 64
// Workgroup 32 (8 TILE + 128) + 96 TILE bytes
// Dispatch  (T, H) workgroups of 8 x 8 threads. As attention_forward_tiled: scores from staged slices, then d_q by channels;
//           keys in blocks of 16 from the row's start, ascending.
// Oracle    test/reference/attention.ts, attentionBackward()

struct Params { heads: u32, kvHeads: u32, D4: u32, scale: f32, window: u32, softcap: f32 }

const TILE = 16u; // one of 16, 32
const SLICES = 2u; // one of 1, 2, 3, 4, 5, 6, 7, 8: D / 32, rounded up
const BLOCK = 16u;
const RQ = TILE / 8u; // rows of the tile that a thread has: y, y + 8, ...

@group(0) @binding(0) var<storage, read> tiles: array<vec4u>;
@group(0) @binding(1) var<storage, read_write> q: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> k: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> qkv: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> dout: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(7) var<storage, read_write> dq: array<vec4f>;
@group(0) @binding(8) var<uniform> p: Params;

var<workgroup> queries: array<vec4f, TILE * 8u>;
var<workgroup> upstream: array<vec4f, TILE * 8u>;
var<workgroup> keys: array<vec4f, BLOCK * 8u>;
var<workgroup> values: array<vec4f, BLOCK * 8u>;
var<workgroup> dScores: array<f32, TILE * BLOCK>;
var<workgroup> partial: array<f32, TILE * 8u>;

// The gradient of a score, and the weight, of two keys (or queries): zero where they do not see each other.
struct Pair { ds: vec2f, weight: vec2f }
fn pair(products: vec2f, dWeight: vec2f, lse: vec2f, delta: vec2f, seen: vec2<bool>) -> Pair {
  var score = products * p.scale;
  var slope = vec2f(p.scale);
  if (p.softcap > 0.0) {
    let t = tanh(score / p.softcap);
    score = p.softcap * t;
    slope *= 1.0 - t * t;
  }
  let weight = exp(clamp(score - lse, vec2f(-80.0), vec2f(80.0)));
  return Pair(select(vec2f(), weight * (dWeight - delta) * slope, seen), select(vec2f(), weight, seen));
}

@compute @workgroup_size(8, 8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let x = local.x;
  let y = local.y;
  let tile = tiles[group.x];
  let head = group.y;
  let kvHead = head * p.kvHeads / p.heads;
  let stride = (p.heads + 2u * p.kvHeads) * p.D4;
  let vBase = (p.heads + p.kvHeads + kvHead) * p.D4;

  var delta: array<f32, RQ>;
  var lse: array<f32, RQ>;
  for (var r = 0u; r < RQ; r++) {
    let query = min(tile.x + y + 8u * r, tile.y - 1u) * p.heads + head;
    lse[r] = stats[query].x;
    var sum = 0.0;
    for (var c = x; c < p.D4; c += 8u) { sum += dot(dout[query * p.D4 + c], out[query * p.D4 + c]); }
    partial[(y + 8u * r) * 8u + x] = sum;
  }
  workgroupBarrier();
  for (var r = 0u; r < RQ; r++) {
    var sum = 0.0;
    for (var l = 0u; l < 8u; l++) { sum += partial[(y + 8u * r) * 8u + l]; }
    delta[r] = sum;
  }

  var total: array<vec4f, RQ * SLICES>;
  var first = tile.z;
  if (p.window > 0u && tile.x - tile.z >= p.window) {
    first += (tile.x - tile.z + 1u - p.window) / BLOCK * BLOCK;
  }
  for (var start = first; start < tile.y; start += BLOCK) {
    var score: array<vec2f, RQ>;
    var dWeight: array<vec2f, RQ>;
    for (var r = 0u; r < RQ; r++) {
      score[r] = vec2f();
      dWeight[r] = vec2f();
    }
    for (var slice = 0u; slice < SLICES; slice++) {
      let c = slice * 8u + x;
      workgroupBarrier();
      for (var r = y; r < TILE; r += 8u) {
        let at = (min(tile.x + r, tile.y - 1u) * p.heads + head) * p.D4 + min(c, p.D4 - 1u);
        queries[r * 8u + x] = select(vec4f(), q[at], c < p.D4);
        upstream[r * 8u + x] = select(vec4f(), dout[at], c < p.D4);
      }
      for (var b = y; b < BLOCK; b += 8u) {
        let j = min(start + b, tile.y - 1u);
        keys[b * 8u + x] = select(vec4f(), k[(j * p.kvHeads + kvHead) * p.D4 + min(c, p.D4 - 1u)], c < p.D4);
        values[b * 8u + x] = select(vec4f(), qkv[j * stride + vBase + min(c, p.D4 - 1u)], c < p.D4);
      }
      workgroupBarrier();
      for (var d = 0u; d < 8u; d++) {
        let k0 = keys[x * 8u + d];
        let k1 = keys[(x + 8u) * 8u + d];
        let v0 = values[x * 8u + d];
        let v1 = values[(x + 8u) * 8u + d];
        for (var r = 0u; r < RQ; r++) {
          let query = queries[(y + 8u * r) * 8u + d];
          let u = upstream[(y + 8u * r) * 8u + d];
          score[r] += vec2f(dot(query, k0), dot(query, k1));
          dWeight[r] += vec2f(dot(u, v0), dot(u, v1));
        }
      }
    }
    for (var r = 0u; r < RQ; r++) {
      let i = tile.x + y + 8u * r;
      let j = vec2u(start + x, start + x + 8u);
      let seen = (j <= vec2u(i)) & (j < tile.yy) & ((j + p.window > vec2u(i)) | vec2<bool>(p.window == 0u));
      let ds = pair(score[r], dWeight[r], vec2f(lse[r]), vec2f(delta[r]), seen).ds;
      dScores[(y + 8u * r) * BLOCK + x] = ds.x;
      dScores[(y + 8u * r) * BLOCK + x + 8u] = ds.y;
    }
    workgroupBarrier();
    for (var b = 0u; b < min(BLOCK, tile.y - start); b++) {
      let row = ((start + b) * p.kvHeads + kvHead) * p.D4;
      for (var slice = 0u; slice < SLICES; slice++) {
        let key = k[row + min(slice * 8u + x, p.D4 - 1u)];
        for (var r = 0u; r < RQ; r++) { total[r * SLICES + slice] += dScores[(y + 8u * r) * BLOCK + b] * key; }
      }
    }
  }

  for (var r = 0u; r < RQ; r++) {
    let i = tile.x + y + 8u * r;
    if (i >= tile.y) { continue; }
    for (var slice = 0u; slice < SLICES; slice++) {
      let c = slice * 8u + x;
      if (c < p.D4) { dq[(i * p.heads + head) * p.D4 + c] = total[r * SLICES + slice]; }
    }
    if (x == 0u) { stats[i * p.heads + head].y = delta[r]; }
  }
}
